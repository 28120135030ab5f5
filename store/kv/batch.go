package kv

import "fmt"

// Batch collects writes that become visible together. It reads its own writes.
//
// Writes return nothing; the first one that is refused is kept, later writes do
// nothing, and Err and Commit report it: a caller that applies facts has no
// answer to an error in the middle.
//
// Nothing is encoded before Commit. The batch keeps rows with the chain of their
// versions, and sets of index keys; Commit walks them in the order of physical
// keys, into Pebble's memtable or, if they are many, into tables of their own.
type Batch struct {
	db         *DB
	generation uint64
	err        error
	done       bool

	*buffers // nil once the batch is done

	// Primary keys from absentFrom up to absentTo that have no entry in rows do
	// not exist.
	absentFrom, absentTo string
	size                 int // bytes that Commit will write, about
	held                 int // bytes of rows that were found, about
}

type metaWrite struct {
	value   []byte
	present bool
}

// NewBatch starts a batch on what was committed last. Commit or Close ends it.
func (d *DB) NewBatch() (*Batch, error) {
	if err := d.acquire(); err != nil {
		return nil, err
	}
	defer d.release()
	if d.failure != nil {
		return nil, d.failure
	}
	buf := d.spare
	if d.spare = nil; buf == nil {
		buf = newBuffers()
	}
	return &Batch{db: d, generation: d.generation, buffers: buf}, nil
}

// Put is Row and PutRow, for a caller that needs neither the old row nor its
// decoded form.
func (b *Batch) Put(t Table, pk []byte, pos uint64, row []byte) {
	if b.writable(t) {
		r, err := b.Row(t, pk)
		if b.note(err); err == nil {
			b.PutRow(t, r, pos, row, nil)
		}
	}
}

// Delete is Row and DeleteRow.
func (b *Batch) Delete(t Table, pk []byte, pos uint64) {
	if b.writable(t) {
		r, err := b.Row(t, pk)
		if b.note(err); err == nil {
			b.DeleteRow(t, r, pos)
		}
	}
}

// IndexPut adds a key to a table's index: the present alone, no versions. An
// index holds keys only; what it points at is part of the key.
func (b *Batch) IndexPut(t Table, key []byte) { b.setIndex(t, key, true) }

// IndexDelete removes a key from a table's index, if it is there.
func (b *Batch) IndexDelete(t Table, key []byte) { b.setIndex(t, key, false) }

func (b *Batch) setIndex(t Table, key []byte, present bool) {
	if !b.writable(t) {
		return
	}
	b.key = appendKey(b.key[:0], spaceIndex, t, key)
	was, ok := b.index.entries[string(b.key)]
	switch {
	case !ok:
		b.index.add(string(b.key), present)
		b.size += len(b.key)
	case was != present:
		b.index.entries[string(b.key)] = present
	}
}

// SetMeta stores a value of the caller's: log id, era, head hash, table versions.
// The key must not be empty.
func (b *Batch) SetMeta(key string, value []byte) {
	if b.usable() {
		b.meta[key] = metaWrite{append([]byte(nil), value...), true}
		b.size += len(key) + len(value)
	}
}

// DeleteMeta removes a value that SetMeta stored, if there is one.
func (b *Batch) DeleteMeta(key string) {
	if b.usable() {
		b.meta[key] = metaWrite{}
	}
}

// SetPosition says that the table has everything up to pos. It may not go back.
func (b *Batch) SetPosition(t Table, pos uint64) {
	if b.admit(t, pos) {
		b.applied[t.key()] = pos
	}
}

// Size is about what Commit will write, in bytes.
func (b *Batch) Size() int { return b.size }

// Held is about what the rows take that the batch has found, written or not.
func (b *Batch) Held() int { return b.held }

// Err returns the first write that was refused, or nil.
func (b *Batch) Err() error { return b.err }

// Close drops the batch unless it was committed. Closing twice does nothing.
func (b *Batch) Close() {
	if b.done {
		return
	}
	if b.buffers.reset() {
		b.db.spare = b.buffers
	}
	*b = Batch{db: b.db, done: true, err: b.err}
}

// usable reports whether the batch still takes writes.
func (b *Batch) usable() bool {
	if b.done {
		b.note(ErrClosed)
	}
	return b.err == nil
}

func (b *Batch) writable(t Table) bool {
	if b.usable() {
		b.note(tableError("write to", t, t.check()))
	}
	return b.err == nil
}

// admit checks table and position of a write, and raises the floor.
func (b *Batch) admit(t Table, pos uint64) bool {
	if !b.writable(t) {
		return false
	}
	floor, err := b.floor(t)
	switch {
	case err != nil:
		b.note(err)
	case pos == 0:
		b.note(tableError("write to", t, fmt.Errorf("%w: it is 0; the first is 1", ErrPosition)))
	case pos < floor:
		b.note(tableError("write to", t, fmt.Errorf("%w: it is %d; the least allowed is %d", ErrPosition, pos, floor)))
	case pos > floor:
		b.floors[t.key()] = pos
	}
	return b.err == nil
}

// floor is the last position of the table in this batch, else the committed one.
func (b *Batch) floor(t Table) (uint64, error) {
	if pos, ok := b.floors[t.key()]; ok {
		return pos, nil
	}
	if pos, ok := b.db.floors[t.key()]; ok {
		return pos, nil
	}
	pos, err := b.db.Position(t)
	if err == nil {
		b.db.floors[t.key()] = pos
	}
	return pos, err
}

func (b *Batch) note(err error) {
	if b.err == nil && err != nil {
		b.err = err
	}
}
