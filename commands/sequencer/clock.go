package sequencer

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock tells both times. The system's is [SystemClock].
type Clock func() Now

// SystemClock reads the wall clock and CLOCK_BOOTTIME, which goes on while the
// machine sleeps, so that a lease does not outlive a suspension.
func SystemClock() Now {
	now := time.Now()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// Only kernels before 2.6.39 have no such clock, and Go does not run there.
		panic("sequencer: CLOCK_BOOTTIME: " + err.Error())
	}
	return Now{Wall: now.UnixNano(), Boot: ts.Nano()}
}
