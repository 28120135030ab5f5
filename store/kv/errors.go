package kv

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

var (
	// ErrClosed is returned by every method of a DB, Snapshot or Batch that was
	// closed.
	ErrClosed = errors.New("kv: closed")

	// ErrInUse is returned by Close while Snapshots are open. Nothing was
	// closed; close them and call again.
	ErrInUse = errors.New("kv: snapshots are open")

	// ErrStaleBatch is returned by Commit when another batch was committed, or a
	// table dropped, since NewBatch: what this batch has read may be out of date.
	ErrStaleBatch = errors.New("kv: batch was overtaken by another commit")

	// ErrCorrupt marks damage in the directory. The caller quarantines it and
	// rebuilds from the log.
	ErrCorrupt = errors.New("kv: corrupt")

	// ErrPosition marks a write whose position is 0 or lies before one that was
	// already written.
	ErrPosition = errors.New("kv: position goes back")

	// ErrFailed is returned by writes after Pebble has declared its write path
	// lost, for instance because the disk refused the write-ahead log. Reads may
	// go on; the directory must be reopened to write again.
	ErrFailed = errors.New("kv: write path failed")
)

// opError adds the operation to err and marks Pebble's corruption as ours.
func opError(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("kv: %s: %w: %w", op, ErrCorrupt, err)
	default:
		return fmt.Errorf("kv: %s: %w", op, err)
	}
}

// tableError is opError for an operation on one table.
func tableError(op string, t Table, err error) error {
	if err == nil {
		return nil
	}
	return opError(op+" "+t.String(), err)
}

// corruptf reports bytes that this package cannot have written.
func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
