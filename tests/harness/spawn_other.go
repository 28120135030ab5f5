//go:build !linux

package harness

import "os/exec"

// spawn starts a command. Elsewhere than on Linux it outlives a test process
// that is killed.
func spawn(cmd *exec.Cmd, _ func() error) (wait func() error, err error) {
	return cmd.Wait, cmd.Start()
}
