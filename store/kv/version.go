package kv

import "github.com/cockroachdb/pebble/v2"

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

// versionReader looks versions up one after the other. Its iterator is made when
// first needed; Pebble is quick when the keys asked for ascend.
type versionReader struct {
	snap  *pebble.Snapshot
	table Table
	until uint64 // the highest position that it will be asked for
	it    *pebble.Iterator
	seek  []byte
}

// at returns the newest version of a row at or before pos. Its slices are valid
// until the next call.
func (r *versionReader) at(pk []byte, pos uint64) (v version, found bool, err error) {
	if r.it == nil {
		lower, upper := bounds(spaceVersion, r.table, nil, nil)
		r.it, err = r.snap.NewIter(versionOptions(lower, upper, r.until))
		if err != nil {
			return version{}, false, err
		}
	}
	r.seek = appendVersionKey(r.seek[:0], r.table, pk, pos)
	// The prefix holds the whole primary key, so this finds no other row.
	if !r.it.SeekPrefixGE(r.seek) {
		return version{}, false, r.it.Error()
	}
	v, err = readVersion(r.it)
	return v, err == nil, err
}

// older returns the version before the one that at has found. Its slices are
// valid until the next call of at.
func (r *versionReader) older() (v version, found bool, err error) {
	if !r.it.Next() {
		return version{}, false, r.it.Error()
	}
	v, err = readVersion(r.it)
	return v, err == nil, err
}

func (r *versionReader) close() error {
	if r.it == nil {
		return nil
	}
	return r.it.Close()
}
