package kv

import (
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// Change is one version that was written. It and its slices are valid until the
// callback that was given it returns.
type Change struct {
	Position uint64
	PK       []byte
	Row      []byte // nil if Deleted
	Deleted  bool

	reader *changeReader
}

// Prev returns the version before this one; ok is false if there was none or it
// was a deletion. It lies beside the change's own version, so it is read when
// asked for. The row is valid until the callback returns.
func (c *Change) Prev() (row []byte, ok bool, err error) { return c.reader.previous() }

// Changes calls fn for each version written at positions after from, up to and
// including to, ordered by position and then by primary key, until fn returns
// false. Memory does not grow with their number.
func (s *Snapshot) Changes(t Table, from, to uint64, fn func(c *Change) bool) (err error) {
	if from >= to {
		return nil
	}
	lower := appendChangeKey(nil, t, from+1, nil)
	_, upper := bounds(spaceChange, t, nil, nil)
	if to < math.MaxUint64 {
		upper = appendChangeKey(nil, t, to+1, nil)
	}
	reader := &changeReader{versions: versionReader{snap: s.snap, table: t, until: to}}
	defer func() { err = errors.Join(err, tableError("read changes of", t, reader.versions.close())) }()
	return s.iterate("read changes of", t, lower, upper, func(it *pebble.Iterator) error {
		for valid := it.First(); valid; valid = it.Next() {
			c, err := reader.read(it)
			if err != nil || !fn(c) {
				return err
			}
		}
		return nil
	})
}

// changeReader reads the version space beside changes, which are keys alone.
type changeReader struct {
	versions versionReader
	change   Change // handed out again and again
	row      []byte // of the change: Prev moves the iterator

	before version // the version before the change's, once Prev has asked
	asked  bool
	found  bool
	err    error
}

func (r *changeReader) read(it *pebble.Iterator) (*Change, error) {
	pos, pk, err := decodeChangeKey(it.Key())
	if err != nil {
		return nil, err
	}
	v, found, err := r.versions.at(pk, pos)
	if err != nil {
		return nil, err
	}
	if !found || v.pos != pos {
		return nil, corruptf("row %x changed at %d, but has no version of that position", pk, pos)
	}
	r.asked = false
	r.row = append(r.row[:0], v.row...)
	r.change = Change{Position: pos, PK: pk, Deleted: v.deleted, reader: r}
	if !v.deleted {
		r.change.Row = r.row
	}
	return &r.change, nil
}

// previous steps to the next older version, once per change.
func (r *changeReader) previous() (row []byte, ok bool, err error) {
	if !r.asked {
		r.asked = true
		r.before, r.found, r.err = r.versions.older()
	}
	return r.before.row, r.found && !r.before.deleted, r.err
}
