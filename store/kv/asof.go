package kv

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
)

// GetAt returns the row as it was at pos: its newest version at or before pos.
// ok is false if it did not exist then; at is then the position of the deletion,
// or 0 if nothing had been written yet. The row is the caller's own.
//
// A pos beyond the table's Position is answered from what there is; whether to
// wait instead is the caller's matter.
func (s *Snapshot) GetAt(t Table, pk []byte, pos uint64) (row []byte, at uint64, ok bool, err error) {
	lower, upper := rowBounds(t, pk)
	err = s.iterate("read past of", t, lower, upper, func(it *pebble.Iterator) error {
		if !it.SeekGE(appendVersionKey(nil, t, pk, pos)) {
			return nil
		}
		v, err := readVersion(it)
		if err != nil {
			return err
		}
		row, at, ok = bytes.Clone(v.row), v.pos, !v.deleted
		return nil
	})
	if err != nil {
		return nil, 0, false, err
	}
	return row, at, ok, nil
}

// rowBounds encloses all versions of one row.
func rowBounds(t Table, pk []byte) (lower, upper []byte) {
	lower = appendKey(make([]byte, 0, headerLen+len(pk)+1), spaceVersion, t, pk)
	return lower, append(bytes.Clone(lower), sentinel)
}

// ListAt calls fn for each row in r as it was at pos, in order of keys, until fn
// returns false. Rows that did not exist then are not visited and do not count.
func (s *Snapshot) ListAt(t Table, r Range, pos uint64, fn func(pk, row []byte) bool) error {
	lower, upper := bounds(spaceVersion, t, r.Prefix, r.After)
	return s.iterate("list past of", t, lower, upper, func(it *pebble.Iterator) error {
		var seek []byte
		n := 0
		for valid := it.First(); valid; {
			v, err := readVersion(it)
			if err != nil {
				return err
			}
			if v.pos > pos {
				// Too new: on to this row's version at pos. If it has none the seek
				// lands on the newest version of the next row, and the loop goes on.
				key := it.Key()
				seek = appendSuffix(append(seek[:0], key[:len(key)-suffixLen]...), pos)
				valid = it.SeekGE(seek)
				continue
			}
			if !v.deleted && (!fn(v.pk, v.row) || r.done(&n)) {
				return nil
			}
			valid = it.NextPrefix()
		}
		return nil
	})
}

// version is one entry of the version space. Its slices belong to the iterator.
type version struct {
	pk, row []byte
	pos     uint64
	deleted bool
}

func readVersion(it *pebble.Iterator) (version, error) {
	pk, pos, err := decodeVersionKey(it.Key())
	if err != nil {
		return version{}, err
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return version{}, err
	}
	row, deleted, err := decodeRow(value)
	return version{pk: pk, row: row, pos: pos, deleted: deleted}, err
}
