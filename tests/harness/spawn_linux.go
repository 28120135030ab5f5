package harness

import (
	"os/exec"
	"runtime"
	"syscall"
)

// spawn starts a command that is killed when this process dies, even by a
// timeout's panic or SIGKILL, which run no cleanup. The kernel ties that to the
// thread that forked, so the thread is this goroutine's own and lives as long as
// the child. It enters where the child is to run first; nil is here.
func spawn(cmd *exec.Cmd, enter func() error) (wait func() error, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		if enter != nil {
			err = enter()
		}
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return func() error { return <-ended }, <-started
}
