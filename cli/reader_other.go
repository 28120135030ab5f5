//go:build !linux

package cli

import "os"

// readerGone is not told on this system: the next write finds out.
func readerGone(_ *os.File, stop <-chan struct{}) bool {
	<-stop
	return false
}
