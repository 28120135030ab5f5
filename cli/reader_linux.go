package cli

import (
	"errors"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// readerGone waits until nobody reads what is written to f, and says so; false
// when stop was closed first, or f is nothing that has a reader.
func readerGone(f *os.File, stop <-chan struct{}) bool {
	fd := f.Fd()
	if fd > math.MaxInt32 {
		return false
	}
	for {
		// No events are asked for: the end of the reader is always told.
		poll := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(poll, int(readerPoll/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if err == nil && poll[0].Revents&unix.POLLNVAL != 0 {
			return false
		}
		if err == nil && poll[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			return true
		}
		select {
		case <-stop:
			return false
		default:
		}
	}
}

// readerPoll bounds how long the wait goes on after stop was closed.
const readerPoll = 250 * time.Millisecond
