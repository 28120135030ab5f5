package e2e_test

import (
	"os/exec"
	"runtime"
	"syscall"
)

// spawnSample starts a command that dies with this process. The kernel ties that
// to the thread that starts it, which is kept until the command has ended.
func spawnSample(cmd *exec.Cmd) (wait func() error, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return func() error { return <-ended }, <-started
}
