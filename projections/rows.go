package projections

import (
	"bytes"
	"encoding/binary"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Rows is what a table's Apply may do: change rows, index keys and counters of
// its own table at the position of the event. Its methods return no errors, for
// a fact cannot be refused; the first one is kept and ends the projector.
type Rows struct {
	table    kv.Table
	batch    *kv.Batch
	counters *counters
	position uint64
	decision uint64       // end of the decision that the event is part of
	redo     *kv.Snapshot // what a cut decision had left; nil when none is redone
	changes  *Changes     // nil when nobody listens
	limit    int          // bytes of a batch that is full
	full     func() error // commits what there is and starts another batch
	scratch  []byte       // where rows are encoded
	expected keyRange     // what Expect has announced; none when its last is nil
	err      error
}

func (r *Rows) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// done reports whether this event has already changed the row, in a commit
// before a crash.
func (r *Rows) done(pk []byte) bool {
	if r.redo == nil {
		return false
	}
	_, at, ok, err := r.redo.Get(r.table, pk)
	r.fail(err)
	return ok && at >= r.position
}

// Update replaces the row under pk by what fn makes of it. fn gets the zero M
// when there is no row, returns the zero M to have none, and returns its
// argument, untouched, to change nothing. It must not write to its argument:
// watchers share it.
func Update[M comparable](r *Rows, c Codec[M], pk []byte, fn func(old M) M) {
	if r.err != nil || r.done(pk) {
		return
	}
	held, err := r.batch.Row(r.table, pk)
	if err != nil {
		r.fail(err)
		return
	}
	old, err := decoded(r, c, held)
	if err != nil {
		r.fail(err)
		return
	}
	row := fn(old)
	if row == old || r.err != nil {
		r.spill()
		return
	}
	var none M
	if row == none {
		r.batch.DeleteRow(r.table, held, r.position)
	} else {
		if r.scratch, err = c.Append(r.scratch[:0], row); err != nil {
			r.fail(err)
			return
		}
		r.batch.PutRow(r.table, held, r.position, r.scratch, row)
	}
	if r.changes != nil {
		r.changes.add(pk, orNil(old), orNil(row))
	}
	r.spill()
}

// maxHeld bounds, in limits of a batch, the rows that one event reads.
const maxHeld = 4

// spill commits what there is when it has become too much, and goes on.
func (r *Rows) spill() {
	if r.batch.Size() <= r.limit && r.batch.Held() <= maxHeld*r.limit {
		return
	}
	r.fail(r.full())
	if r.err == nil && r.expected.last != nil {
		r.fail(r.batch.Preload(r.table, r.expected.first, r.expected.last))
	}
}

// keyRange is the primary keys from first to last, both included.
type keyRange struct{ first, last []byte }

// Expect says that the event will update n of the rows with keys from first to
// last, of which there are at most size: if that is most of them, they are read
// at once.
func (r *Rows) Expect(first, last []byte, n, size int) {
	// One row costs about as much to find as twenty to walk over.
	const worthwhile, sparse = 16, 16
	if r.err != nil || n < worthwhile || size > sparse*n {
		return
	}
	if size*minRow > maxHeld*r.limit/2 {
		return // they would fill the batch by themselves
	}
	r.expected = keyRange{first, last}
	r.fail(r.batch.Preload(r.table, first, last))
}

// minRow is about what a row takes that was read ahead.
const minRow = 256

// decoded is a row's message, the zero M if there is none. It is kept with the
// row: one that changes often is decoded once.
func decoded[M comparable](r *Rows, c Codec[M], held *kv.Row) (M, error) {
	if m, ok := held.Decoded().(M); ok {
		return m, nil
	}
	var none M
	data, ok := held.Value()
	if !ok {
		return none, nil
	}
	m, err := c.Parse(data)
	if err != nil {
		return none, err
	}
	held.Decode(r.batch, m)
	return m, nil
}

// orNil is nil for the zero M: a nil pointer in an interface would not be.
func orNil[M comparable](m M) any {
	var none M
	if m == none {
		return nil
	}
	return m
}

// IndexPut adds a key to the table's index of the present.
func (r *Rows) IndexPut(key []byte) { r.batch.IndexPut(r.table, key) }

// Cite adds the event's decision to a series of the table: the decisions that
// concern what the name says. See [kv.Batch.SeriesAdd].
func (r *Rows) Cite(name []byte) { r.batch.SeriesAdd(r.table, name, r.decision) }

// IndexDelete removes a key from the table's index.
func (r *Rows) IndexDelete(key []byte) { r.batch.IndexDelete(r.table, key) }

// Keys returns the primary keys that start with prefix, as the events before
// and this one have left them. The table may then change those rows.
func (r *Rows) Keys(prefix []byte) [][]byte {
	var keys [][]byte
	r.fail(r.batch.ScanCurrent(r.table, prefix, func(pk, _ []byte) bool {
		keys = append(keys, bytes.Clone(pk))
		return true
	}))
	return keys
}

// IndexKeys returns what follows prefix in the index keys that start with it.
func (r *Rows) IndexKeys(prefix []byte) [][]byte {
	var keys [][]byte
	r.fail(r.batch.ScanIndex(r.table, prefix, func(key []byte) bool {
		keys = append(keys, bytes.Clone(key[len(prefix):]))
		return true
	}))
	return keys
}

// Count adds to a counter of the table. Counters are of the present only, and
// cheap: one that changes a thousand times in a commit is written once.
func (r *Rows) Count(name string, by int64) { r.CountIn("", name, by) }

// CountIn is Count for a counter of a part of the table; see [CounterName].
func (r *Rows) CountIn(part, name string, by int64) {
	r.fail(r.counters.add(r.batch, r.table, part, name, by))
}

// Touch sets a counter to the event's position: where something last changed.
func (r *Rows) Touch(name string) { r.TouchIn("", name) }

// TouchIn is Touch for a counter of a part of the table.
func (r *Rows) TouchIn(part, name string) {
	r.fail(r.counters.set(r.batch, r.table, part, name, int64(r.position)))
}

// applyTable runs one table over one event.
func (r *Rows) applyTable(t feed, rec events.Recorded) error {
	r.table, r.err, r.expected = t.spec, nil, keyRange{}
	r.position, r.decision = uint64(rec.Position), uint64(rec.Decision)
	t.Table.Apply(r, rec)
	if r.err == nil {
		r.err = r.batch.Err()
	}
	return r.err
}

// position8 is a position as a key that sorts as it does.
func position8(p uint64) []byte { return binary.BigEndian.AppendUint64(nil, p) }
