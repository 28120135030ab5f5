//go:build !linux

package harness

import "testing"

// Disk is a small file system of a test's own, on Linux.
type Disk struct{ Dir string }

// SmallDisk skips the test.
func SmallDisk(t testing.TB, _ string) *Disk {
	t.Helper()
	t.Skip("needs Linux, to mount a small tmpfs")
	return nil
}

// Fill is of Linux.
func (d *Disk) Fill(uint64) {}

// Free is of Linux.
func (d *Disk) Free() {}
