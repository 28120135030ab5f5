//go:build !linux

package e2e_test

import "os/exec"

// spawnSample starts a command, which outlives a test that is killed.
func spawnSample(cmd *exec.Cmd) (wait func() error, err error) { return cmd.Wait, cmd.Start() }
