package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ErrDiskFull: the file system of the data directory has no room.
var ErrDiskFull = errors.New("disk_full: the file system of the data directory has no room")

// leastFree is what must be free to serve: enough to end well, with a snapshot
// and the last rows. Writing until nothing is left would not end well: Pebble
// cannot go on without a new file.
const leastFree = 16 << 20

// diskEvery is how often it is looked at.
const diskEvery = 500 * time.Millisecond

// checkDisk returns ErrDiskFull with the figures when there is too little room.
func checkDisk(dir string, least uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < least {
		return fmt.Errorf("%w: %s has %d MiB free, %d MiB are needed", ErrDiskFull, dir, free>>20, least>>20)
	}
	return nil
}

// watchDisk takes the server out of service before the disk is full (V3).
func (s *server) watchDisk(ctx context.Context) error {
	tick := time.NewTicker(diskEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := checkDisk(s.dir.path, leastFree); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}
