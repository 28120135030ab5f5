package kv

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// GetCurrent returns a row as it is after this batch's writes so far: from the
// batch, else the writer's cache, else disk. The row must not be changed.
func (b *Batch) GetCurrent(t Table, pk []byte) (row []byte, ok bool, err error) {
	if b.done {
		return nil, false, ErrClosed
	}
	b.key = appendKey(b.key[:0], spaceCurrent, t, pk)
	if own, ok := b.rows.rows[string(b.key)]; ok {
		return own.value, own.present, nil
	}
	if b.generation != b.db.generation {
		return nil, false, ErrStaleBatch
	}
	if cached, known := b.db.rows.get(b.key); known {
		return cached.value, cached.present, nil
	}
	found, err := b.load(b.key)
	if err != nil {
		return nil, false, tableError("read", t, err)
	}
	b.db.rows.put(string(b.key), found)
	return found.value, found.present, nil
}

func (b *Batch) load(key []byte) (pending, error) {
	if err := b.db.acquire(); err != nil {
		return pending{}, err
	}
	defer b.db.release()
	value, ok, err := getCopy(b.db.pdb, key)
	if err != nil || !ok {
		return pending{}, err
	}
	row, pos, err := decodeCurrent(value)
	return pending{value: row, pos: pos, present: true}, err
}

// ScanCurrent calls fn for every row whose key starts with prefix, in order of
// keys, as they are after the writes before this call. fn may write to the batch;
// the scan does not see it. pk and row are valid during the call. fn returns
// false to stop.
func (b *Batch) ScanCurrent(t Table, prefix []byte, fn func(pk, row []byte) bool) error {
	return b.scan(spaceCurrent, t, prefix, func(key []byte, p pending) bool { return fn(key, p.value) })
}

// ScanIndex is ScanCurrent for index keys.
func (b *Batch) ScanIndex(t Table, prefix []byte, fn func(key []byte) bool) error {
	return b.scan(spaceIndex, t, prefix, func(key []byte, _ pending) bool { return fn(key) })
}

// Meta returns a value as it is after this batch's writes so far.
func (b *Batch) Meta(key string) (value []byte, ok bool, err error) {
	if b.done {
		return nil, false, ErrClosed
	}
	if own, ok := b.meta[key]; ok {
		return own.value, own.present, nil
	}
	return b.db.Meta(key)
}

// scan merges what is committed with the batch's own entries, which win.
func (b *Batch) scan(sp space, t Table, prefix []byte, fn func(key []byte, p pending) bool) (err error) {
	if b.done {
		return ErrClosed
	}
	if b.generation != b.db.generation {
		return ErrStaleBatch
	}
	if err := b.db.acquire(); err != nil {
		return err
	}
	defer b.db.release()
	lower, upper := bounds(sp, t, prefix, nil)
	own := b.rows.between(lower, upper)
	it, err := b.db.pdb.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return tableError("scan", t, err)
	}
	m := merge{it: it, own: own, space: sp}
	err = m.run(fn)
	return tableError("scan", t, errors.Join(err, it.Error(), it.Close()))
}

// merge walks two ordered sources at once.
type merge struct {
	it    *pebble.Iterator
	own   []entry
	space space
}

func (m *merge) run(fn func(key []byte, p pending) bool) error {
	valid := m.it.First()
	for valid || len(m.own) > 0 {
		order := m.compare(valid)
		var p pending
		var physical []byte
		if order <= 0 { // the batch's entry is first, or hides the committed one
			p, physical = m.own[0].pending, []byte(m.own[0].key)
			m.own = m.own[1:]
		} else {
			var err error
			if p, err = m.committed(); err != nil {
				return err
			}
			physical = m.it.Key()
		}
		if p.present {
			key, err := decodeKey(physical)
			if err != nil || !fn(key, p) {
				return err
			}
		}
		if order >= 0 {
			valid = m.it.Next()
		}
	}
	return nil
}

// compare is negative when the batch's next entry comes first, 0 when both
// sources have the key, positive when the committed entry comes first.
func (m *merge) compare(valid bool) int {
	switch {
	case !valid:
		return -1
	case len(m.own) == 0:
		return 1
	}
	return compareKeys([]byte(m.own[0].key), m.it.Key())
}

func (m *merge) committed() (pending, error) {
	if m.space == spaceIndex {
		return pending{present: true}, nil
	}
	value, err := m.it.ValueAndErr()
	if err != nil {
		return pending{}, err
	}
	row, pos, err := decodeCurrent(value)
	return pending{value: row, pos: pos, present: true}, err
}
