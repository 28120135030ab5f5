package kv

import (
	"errors"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Snapshot is the DB as of one commit. Any number of goroutines may read from
// one; Close comes after the last of their calls has returned.
//
// Slices that a callback is given are valid until it returns.
type Snapshot struct {
	db     *DB
	snap   *pebble.Snapshot
	closed atomic.Bool
}

// Snapshot returns the DB as it is now. It holds disk space that compaction
// would free, so it is for a request, not for a lifetime.
func (d *DB) Snapshot() (*Snapshot, error) {
	if err := d.acquire(); err != nil {
		return nil, err
	}
	return &Snapshot{db: d, snap: d.pdb.NewSnapshot()}, nil
}

// Close gives the snapshot up. Closing twice does nothing.
func (s *Snapshot) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	defer s.db.release()
	return opError("close snapshot", s.snap.Close())
}

// Position returns how far the table had come, 0 if it has no position.
func (s *Snapshot) Position(t Table) (uint64, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	return readPosition(s.snap, t)
}

// Meta returns a value that Batch.SetMeta stored.
func (s *Snapshot) Meta(key string) (value []byte, ok bool, err error) {
	if s.closed.Load() {
		return nil, false, ErrClosed
	}
	return readMeta(s.snap, key)
}

// Get returns the newest version of a row, which is the caller's own, and the
// position that wrote it. ok is false if the row is not there.
func (s *Snapshot) Get(t Table, pk []byte) (row []byte, pos uint64, ok bool, err error) {
	if s.closed.Load() {
		return nil, 0, false, ErrClosed
	}
	value, ok, err := getCopy(s.snap, appendKey(make([]byte, 0, headerLen+len(pk)+1), spaceCurrent, t, pk))
	if err == nil && ok {
		row, pos, err = decodeCurrent(value)
	}
	if err != nil {
		return nil, 0, false, tableError("read", t, err)
	}
	return row, pos, ok, nil
}

// Range says which keys a list visits.
type Range struct {
	Prefix []byte // keys that start with this; nil is all
	After  []byte // and come after this key; empty is from the first
	Limit  int    // at most so many; 0 is no limit
}

// done counts one row and reports whether the limit is reached.
func (r *Range) done(n *int) bool {
	*n++
	return r.Limit > 0 && *n >= r.Limit
}

// List calls fn for the newest version of each row in r, in order of keys, until
// fn returns false.
func (s *Snapshot) List(t Table, r Range, fn func(pk, row []byte) bool) error {
	return s.walk("list", spaceCurrent, t, r, func(it *pebble.Iterator, pk []byte) (bool, error) {
		value, err := it.ValueAndErr()
		if err != nil {
			return false, err
		}
		row, _, err := decodeCurrent(value)
		return err == nil && fn(pk, row), err
	})
}

// IndexScan calls fn for each index key in r, in order, until fn returns false.
func (s *Snapshot) IndexScan(t Table, r Range, fn func(key []byte) bool) error {
	return s.walk("scan index of", spaceIndex, t, r, func(_ *pebble.Iterator, key []byte) (bool, error) {
		return fn(key), nil
	})
}

// walk visits the keys of a space without versions.
func (s *Snapshot) walk(op string, sp space, t Table, r Range, fn func(*pebble.Iterator, []byte) (bool, error)) error {
	lower, upper := bounds(sp, t, r.Prefix, r.After)
	return s.iterate(op, t, lower, upper, func(it *pebble.Iterator) error {
		n := 0
		for valid := it.First(); valid; valid = it.Next() {
			key, err := decodeKey(it.Key())
			if err != nil {
				return err
			}
			more, err := fn(it, key)
			if err != nil || !more || r.done(&n) {
				return err
			}
		}
		return nil
	})
}

// iterate runs fn with an iterator over [lower, upper) and joins the iterator's
// own errors to fn's.
func (s *Snapshot) iterate(op string, t Table, lower, upper []byte, fn func(*pebble.Iterator) error) error {
	if s.closed.Load() {
		return ErrClosed
	}
	it, err := s.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return tableError(op, t, err)
	}
	err = fn(it)
	return tableError(op, t, errors.Join(err, it.Error(), it.Close()))
}
