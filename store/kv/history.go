package kv

import "github.com/cockroachdb/pebble/v2"

// History calls fn for each version of a row written at positions from to to,
// both included, the newest first, until fn returns false. A deletion has no
// row.
func (s *Snapshot) History(t Table, pk []byte, from, to uint64, fn func(pos uint64, row []byte, deleted bool) bool) error {
	lower, upper := rowBounds(t, pk)
	return s.iterate("read history of", t, lower, upper, func(it *pebble.Iterator) error {
		for valid := it.SeekGE(appendVersionKey(nil, t, pk, to)); valid; valid = it.Next() {
			v, err := readVersion(it)
			if err != nil {
				return err
			}
			if v.pos < from || !fn(v.pos, v.row, v.deleted) {
				return nil
			}
		}
		return nil
	})
}
