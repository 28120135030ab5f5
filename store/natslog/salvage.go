package natslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// JetStream may cut or replace the files of a replica when it finds that the others
// have less, and what they have may be what two bad disks have left. So before it
// opens them, the newest blocks are copied to salvage/, up to salvageBytes, and kept
// until the log is seen to reach their end. The copies are not fsynced: after a
// power cut the files themselves are there.

// salvageBytes bounds the copies; one block is copied in any case.
const salvageBytes = 64 << 20

func salvageFiles(storeDir, stream string) blockFiles {
	return blockFiles{filepath.Join(storeDir, "salvage"), stream}
}

// salvage copies the newest blocks aside, unless an earlier start has left more
// than there is now. last is the files' last message. It returns the last message
// that is at hand, in files or copies.
func (s *Store) salvage(last uint64) (uint64, error) {
	kept := salvageFiles(s.cfg.Dir, s.cfg.logStream())
	had, err := kept.end()
	if err != nil || had > last {
		return had, err
	}
	if err := s.dropSalvage(); err != nil {
		return 0, err
	}
	blocks, err := s.files.list()
	if err != nil || len(blocks) == 0 {
		return last, err
	}
	if err := os.MkdirAll(kept.dir, 0o750); err != nil {
		return 0, fmt.Errorf("natslog: salvage: %w", err)
	}
	var size int64
	for i := len(blocks) - 1; i >= 0; i-- {
		if size += blocks[i].Size; size > salvageBytes && i < len(blocks)-1 {
			break
		}
		if err := copyFile(s.files.path(blocks[i].Index), kept.path(blocks[i].Index)); err != nil {
			return 0, fmt.Errorf("natslog: salvage: %w", err)
		}
	}
	return last, nil
}

// dropSalvage removes the copies: the log reaches their end.
func (s *Store) dropSalvage() error {
	if err := os.RemoveAll(salvageFiles(s.cfg.Dir, s.cfg.logStream()).dir); err != nil {
		return fmt.Errorf("natslog: salvage: %w", err)
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, out.Close())
}

// end is the sequence of the last whole record, 0 when there is none.
func (b blockFiles) end() (uint64, error) {
	blocks, err := b.list()
	if err != nil {
		return 0, err
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		var last uint64
		err := b.scan(blocks[i].Index, func(r record) bool {
			last = r.sequence
			return true
		})
		if err != nil || last > 0 {
			return last, err
		}
	}
	return 0, nil
}

// scan calls fn with the whole records of a block, until one is damaged or fn has
// enough. A block that is gone has none.
func (b blockFiles) scan(index uint32, fn func(record) bool) error {
	buf, err := os.ReadFile(b.path(index))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("natslog: read block: %w", err)
	}
	d, err := newDigester(b.stream, index)
	if err != nil {
		return err
	}
	for offset := 0; offset < len(buf); {
		r, problem := d.parse(buf[offset:])
		if problem != "" || !fn(r) {
			return nil
		}
		offset += r.length
	}
	return nil
}

// after calls fn with the messages from a sequence on, as long as each is whole and
// directly after the one before, until fn has enough.
func (b blockFiles) after(from uint64, fn func(record) bool) error {
	blocks, err := b.list()
	if err != nil {
		return err
	}
	start := 0
	for i, x := range blocks {
		if first, err := b.first(x.Index); err == nil && first != 0 && first <= from {
			start = i
		}
	}
	next, more := from, true
	for _, x := range blocks[start:] {
		err := b.scan(x.Index, func(r record) bool {
			if r.sequence < next {
				return true
			}
			if more = r.sequence == next; !more {
				return false
			}
			next++
			more = fn(r)
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}
