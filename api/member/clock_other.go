//go:build !linux

package member

import "time"

// BootTime is the wall clock in nanoseconds, where there is no CLOCK_BOOTTIME.
// A clock that is set back prolongs a lease by as much: for development only.
func BootTime() int64 { return time.Now().UnixNano() }
