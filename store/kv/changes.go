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
// was a deletion. It is read when asked for, one seek, so that a watch that does
// not look at the old row does not pay for it. The row is valid until the next
// call of Prev or until the callback returns.
func (c *Change) Prev() (row []byte, ok bool, err error) {
	if c.Position == 0 {
		return nil, false, nil
	}
	v, found, err := c.reader.versions.at(c.PK, c.Position-1)
	return v.row, found && !v.deleted, err
}

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
	reader := &changeReader{versions: versionReader{snap: s.snap, table: t}}
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

// changeReader decodes changes, and reads the version space beside them.
type changeReader struct {
	versions versionReader
	change   Change
	long     []byte // copy of a row that its change does not carry
}

// read decodes the entry under it. The Change is reused by the next call.
func (r *changeReader) read(it *pebble.Iterator) (*Change, error) {
	pos, pk, err := decodeChangeKey(it.Key())
	if err != nil {
		return nil, err
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	r.change = Change{Position: pos, PK: pk, reader: r}
	if len(value) == 1 && value[0] == tagElsewhere {
		r.change.Row, err = r.elsewhere(pk, pos)
	} else {
		r.change.Row, r.change.Deleted, err = decodeRow(value)
	}
	return &r.change, err
}

// elsewhere fetches a long row. It is copied, for Prev moves the iterator.
func (r *changeReader) elsewhere(pk []byte, pos uint64) ([]byte, error) {
	v, found, err := r.versions.at(pk, pos)
	if err != nil {
		return nil, err
	}
	if !found || v.pos != pos || v.deleted {
		return nil, corruptf("row %x changed at %d, but has no version of that position", pk, pos)
	}
	r.long = append(r.long[:0], v.row...)
	return r.long, nil
}
