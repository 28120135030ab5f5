package natslog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// JetStream may cut or replace the files of a replica when it finds that the others
// have less, and what they have may be what two bad disks have left. So before it
// opens them, the newest blocks are copied to salvage/, up to salvageBytes, and kept
// until the log is seen to reach their end. The copies are not fsynced: after a
// power cut the files themselves are there.

// salvageBytes bounds the copies; one block is copied in any case.
const salvageBytes = 64 << 20

func salvageFiles(storeDir, stream string) jsfile.Blocks {
	return jsfile.Blocks{Dir: filepath.Join(storeDir, "salvage"), Stream: stream}
}

// salvage copies the newest blocks aside, unless an earlier start has left more
// than there is now. last is the files' last message. It returns the last message
// that is at hand, in files or copies.
func (s *Store) salvage(last uint64) (uint64, error) {
	kept := salvageFiles(s.cfg.Dir, s.cfg.logStream())
	had, err := kept.End()
	if err != nil || had > last {
		return had, err
	}
	if err := s.dropSalvage(); err != nil {
		return 0, err
	}
	blocks, err := s.files.List()
	if err != nil || len(blocks) == 0 {
		return last, err
	}
	if err := os.MkdirAll(kept.Dir, 0o750); err != nil {
		return 0, fmt.Errorf("natslog: salvage: %w", err)
	}
	var size int64
	for i := len(blocks) - 1; i >= 0; i-- {
		if size += blocks[i].Size; size > salvageBytes && i < len(blocks)-1 {
			break
		}
		if err := copyFile(s.files.Path(blocks[i].Index), kept.Path(blocks[i].Index)); err != nil {
			return 0, fmt.Errorf("natslog: salvage: %w", err)
		}
	}
	return last, nil
}

// dropSalvage removes the copies: the log reaches their end.
func (s *Store) dropSalvage() error {
	if err := os.RemoveAll(salvageFiles(s.cfg.Dir, s.cfg.logStream()).Dir); err != nil {
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
