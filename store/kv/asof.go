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
