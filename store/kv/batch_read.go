package kv

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// GetCurrent returns a row as it is after this batch's writes so far: from the
// batch, else the writer's cache, else disk. The row must not be changed.
func (b *Batch) GetCurrent(t Table, pk []byte) (row []byte, ok bool, err error) {
	r, err := b.Row(t, pk)
	if err != nil {
		return nil, false, err
	}
	row, ok = r.Value()
	return row, ok, nil
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
	if b.done {
		return ErrClosed
	}
	lower, upper := bounds(spaceCurrent, t, prefix, nil)
	var own []entry
	for _, key := range b.rows.between(lower, upper) {
		r := b.rows.entries[key]
		own = append(own, entry{key, r.value, r.present})
	}
	return b.scan(t, lower, upper, own, fn)
}

// ScanIndex is ScanCurrent for index keys.
func (b *Batch) ScanIndex(t Table, prefix []byte, fn func(key []byte) bool) error {
	if b.done {
		return ErrClosed
	}
	lower, upper := bounds(spaceIndex, t, prefix, nil)
	var own []entry
	for _, key := range b.index.between(lower, upper) {
		own = append(own, entry{key, nil, b.index.entries[key]})
	}
	return b.scan(t, lower, upper, own, func(key, _ []byte) bool { return fn(key) })
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

// entry is one key of an overlay at the moment of a scan.
type entry struct {
	key     string
	value   []byte
	present bool
}

// scan merges what is committed with the batch's own entries, which win.
func (b *Batch) scan(t Table, lower, upper []byte, own []entry, fn func(key, row []byte) bool) (err error) {
	if b.generation != b.db.generation {
		return ErrStaleBatch
	}
	if err := b.db.acquire(); err != nil {
		return err
	}
	defer b.db.release()
	it, err := b.db.pdb.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return tableError("scan", t, err)
	}
	m := merge{it: it, own: own, rows: lower[0] == byte(spaceCurrent)}
	err = m.run(fn)
	return tableError("scan", t, errors.Join(err, it.Error(), it.Close()))
}

// merge walks two ordered sources at once.
type merge struct {
	it   *pebble.Iterator
	own  []entry
	rows bool // the committed keys have rows
}

func (m *merge) run(fn func(key, row []byte) bool) error {
	valid := m.it.First()
	for valid || len(m.own) > 0 {
		order := m.compare(valid)
		var physical, row []byte
		present := true
		if order <= 0 { // the batch's entry is first, or hides the committed one
			physical, row, present = []byte(m.own[0].key), m.own[0].value, m.own[0].present
			m.own = m.own[1:]
		} else {
			var err error
			if row, err = m.committed(); err != nil {
				return err
			}
			physical = m.it.Key()
		}
		if present {
			key, err := decodeKey(physical)
			if err != nil || !fn(key, row) {
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

func (m *merge) committed() ([]byte, error) {
	if !m.rows {
		return nil, nil
	}
	value, err := m.it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	row, _, err := decodeCurrent(value)
	return row, err
}
