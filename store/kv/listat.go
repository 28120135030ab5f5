package kv

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// ListAt calls fn for each row in r as it was at pos, in order of keys, until fn
// returns false. Rows that did not exist then are not visited and do not count.
//
// It does not walk the versions. A row that existed at pos is either still there
// or has been deleted since, so the current space and the space of the dead name
// all candidates; a current row not written since pos is itself the answer, and
// only the others cost a seek. A list of the recent past is thus about as fast as
// one of the present.
func (s *Snapshot) ListAt(t Table, r Range, pos uint64, fn func(pk, row []byte) bool) (err error) {
	if s.closed.Load() {
		return ErrClosed
	}
	l := pastLister{versions: versionReader{snap: s.snap, table: t, until: pos}, pos: pos}
	defer func() {
		err = tableError("list past of", t, errors.Join(err, l.close()))
	}()
	if err := l.open(s, t, r); err != nil {
		return err
	}
	n := 0
	for l.next() {
		row, ok, err := l.resolve()
		if err != nil {
			return err
		}
		if ok && (!fn(l.pk, row) || r.done(&n)) {
			return nil
		}
	}
	return l.err
}

// pastLister merges the keys of two spaces.
type pastLister struct {
	alive, dead *pebble.Iterator
	hasA, hasD  bool // the iterator stands on a key
	useA, useD  bool // that key is the merged one
	versions    versionReader
	pos         uint64
	pk          []byte
	err         error
}

func (l *pastLister) open(s *Snapshot, t Table, r Range) (err error) {
	if l.alive, err = newIter(s.snap, spaceCurrent, t, r); err != nil {
		return err
	}
	if l.dead, err = newIter(s.snap, spaceDead, t, r); err != nil {
		return err
	}
	l.hasA, l.hasD = l.alive.First(), l.dead.First()
	return nil
}

func newIter(reader pebble.Reader, sp space, t Table, r Range) (*pebble.Iterator, error) {
	lower, upper := bounds(sp, t, r.Prefix, r.After)
	return reader.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
}

// next moves to the next key of either space.
func (l *pastLister) next() bool {
	if l.useA {
		l.hasA = l.alive.Next()
	}
	if l.useD {
		l.hasD = l.dead.Next()
	}
	if !l.hasA && !l.hasD {
		return false
	}
	// Both keys are of one table and end in the sentinel: what follows the space
	// compares as the primary keys do.
	order := 0
	switch {
	case !l.hasD:
		order = -1
	case !l.hasA:
		order = 1
	default:
		order = bytes.Compare(l.alive.Key()[1:], l.dead.Key()[1:])
	}
	l.useA, l.useD = order <= 0, order >= 0
	key := l.dead
	if l.useA {
		key = l.alive
	}
	l.pk, l.err = decodeKey(key.Key())
	return l.err == nil
}

// resolve returns the merged key's row as it was.
func (l *pastLister) resolve() (row []byte, ok bool, err error) {
	source := l.dead
	if l.useA {
		source = l.alive
	}
	value, err := source.ValueAndErr()
	if err != nil {
		return nil, false, err
	}
	row, written, err := decodeCurrent(value)
	if err != nil {
		return nil, false, err
	}
	if written <= l.pos {
		return row, l.useA, nil // unchanged since: still there, or already dead
	}
	v, found, err := l.versions.at(l.pk, l.pos)
	return v.row, found && !v.deleted, err
}

func (l *pastLister) close() error {
	var errs []error
	for _, it := range []*pebble.Iterator{l.alive, l.dead} {
		if it != nil {
			errs = append(errs, it.Error(), it.Close())
		}
	}
	return errors.Join(append(errs, l.versions.close())...)
}
