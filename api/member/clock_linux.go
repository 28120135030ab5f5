package member

import "golang.org/x/sys/unix"

// BootTime reads CLOCK_BOOTTIME in nanoseconds: it goes on while the machine
// sleeps, so that a lease does not outlive a suspension.
func BootTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// Only kernels before 2.6.39 have no such clock, and Go does not run there.
		panic("member: CLOCK_BOOTTIME: " + err.Error())
	}
	return ts.Nano()
}
