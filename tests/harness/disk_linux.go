package harness

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is a small file system of a test's own.
type Disk struct {
	Dir string
	t   testing.TB
}

// SmallDisk mounts a file system of a size, as tmpfs takes it, until the test
// ends. The test is skipped where this process may not.
func SmallDisk(t testing.TB, size string) *Disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small tmpfs")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		// Its processes are gone: cleanups run last in, first out.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return &Disk{Dir: dir, t: t}
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }

// Fill writes a file until so many bytes are left.
func (d *Disk) Fill(leave uint64) {
	d.t.Helper()
	f, err := os.Create(d.ballast())
	if err != nil {
		d.t.Fatal(err)
	}
	for chunk := make([]byte, 64<<10); err == nil; {
		var st unix.Statfs_t
		if err := unix.Statfs(d.Dir, &st); err != nil {
			d.t.Fatal(err)
		}
		if leave > 0 && st.Bavail*uint64(st.Bsize) <= leave {
			break
		}
		if _, err = f.Write(chunk); errors.Is(err, unix.ENOSPC) && len(chunk) > 1 {
			chunk, err = chunk[:1], nil
		}
	}
	if err != nil && !errors.Is(err, unix.ENOSPC) {
		d.t.Fatalf("fill the disk: %v", err)
	}
	if err := f.Close(); err != nil && !errors.Is(err, unix.ENOSPC) {
		d.t.Fatal(err)
	}
}

// Free gives back what Fill took.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}
