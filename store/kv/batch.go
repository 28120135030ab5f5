package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Batch collects writes that become visible together. It reads its own writes.
//
// Writes return nothing; the first one that is refused is kept, later writes do
// nothing, and Err and Commit report it: a caller that applies facts has no
// answer to an error in the middle.
//
// What is written is kept by space until Commit, and joined there: Pebble inserts
// a key fast when it follows the one before it in the batch, and a row that
// changes a hundred times in a batch is written once to the current space.
type Batch struct {
	db         *DB
	pb         *pebble.Batch // versions, dead rows, positions, meta
	changes    *pebble.Batch // in order of position
	index      *pebble.Batch
	current    int // bytes that the current space will get, about
	generation uint64
	err        error
	done       bool

	rows    overlay
	meta    map[string]pending
	floors  map[tableKey]uint64 // least position that the next write may have
	applied map[tableKey]uint64 // positions set in this batch
	key     []byte              // scratch
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
	return &Batch{
		db:         d,
		pb:         d.pdb.NewBatch(),
		changes:    d.pdb.NewBatch(),
		index:      d.pdb.NewBatch(),
		generation: d.generation,
		rows:       newOverlay(),
		meta:       make(map[string]pending),
		floors:     make(map[tableKey]uint64),
		applied:    make(map[tableKey]uint64),
	}, nil
}

// Put writes a version of a row. The batch, and then the writer's cache, keep
// row itself: the caller must not change it any more. Of two writes of one row
// at one position the last wins.
func (b *Batch) Put(t Table, pk []byte, pos uint64, row []byte) {
	if !b.admit(t, pos) {
		return
	}
	b.key = appendVersionKey(b.key[:0], t, pk, pos)
	b.setTagged(b.pb, tagRow, row)

	b.key = appendChangeKey(b.key[:0], t, pos, pk)
	if len(row) <= maxInlineChange {
		b.setTagged(b.changes, tagRow, row)
	} else {
		b.setTagged(b.changes, tagElsewhere, nil)
	}
	b.setCurrent(t, pk, pending{value: row, pos: pos, present: true})
}

// setCurrent keeps what the current space will hold of a row.
func (b *Batch) setCurrent(t Table, pk []byte, row pending) {
	b.key = appendKey(b.key[:0], spaceCurrent, t, pk)
	size := len(b.key) + positionLen + len(row.value)
	if was, ok := b.rows.rows[string(b.key)]; ok {
		size = len(row.value) - len(was.value)
	}
	b.current += size
	b.rows.put(string(b.key), row)
}

// Delete writes a tombstone: the present forgets the row, the past keeps it.
// Deleting a row that is not there writes nothing.
func (b *Batch) Delete(t Table, pk []byte, pos uint64) {
	if !b.admit(t, pos) {
		return
	}
	_, present, err := b.GetCurrent(t, pk)
	if err != nil || !present {
		b.note(err)
		return
	}
	b.key = appendVersionKey(b.key[:0], t, pk, pos)
	b.setTagged(b.pb, tagDeleted, nil)
	b.key = appendChangeKey(b.key[:0], t, pos, pk)
	b.setTagged(b.changes, tagDeleted, nil)
	b.key = appendKey(b.key[:0], spaceDead, t, pk)
	b.setNumber(pos)
	b.setCurrent(t, pk, pending{})
}

// IndexPut adds a key to a table's index: the present alone, no versions. An
// index holds keys only; what it points at is part of the key.
func (b *Batch) IndexPut(t Table, key []byte) {
	if b.writable(t) {
		b.key = appendKey(b.key[:0], spaceIndex, t, key)
		b.note(b.index.Set(b.key, nil, nil))
		b.rows.put(string(b.key), pending{present: true})
	}
}

// IndexDelete removes a key from a table's index, if it is there.
func (b *Batch) IndexDelete(t Table, key []byte) {
	if b.writable(t) {
		b.key = appendKey(b.key[:0], spaceIndex, t, key)
		b.note(b.index.Delete(b.key, nil))
		b.rows.put(string(b.key), pending{})
	}
}

// SetMeta stores a value of the caller's: log id, era, head hash, table versions.
func (b *Batch) SetMeta(key string, value []byte) {
	if b.usable() {
		b.key = appendMetaKey(b.key[:0], key)
		b.note(b.pb.Set(b.key, value, nil))
		b.meta[key] = pending{value: append([]byte(nil), value...), present: true}
	}
}

// DeleteMeta removes a value that SetMeta stored, if there is one.
func (b *Batch) DeleteMeta(key string) {
	if b.usable() {
		b.key = appendMetaKey(b.key[:0], key)
		b.note(b.pb.Delete(b.key, nil))
		b.meta[key] = pending{}
	}
}

// SetPosition says that the table has everything up to pos. It may not go back.
func (b *Batch) SetPosition(t Table, pos uint64) {
	if !b.admit(t, pos) {
		return
	}
	b.key = appendAppliedKey(b.key[:0], t)
	b.setNumber(pos)
	b.applied[t.key()] = pos
}

// Size is about what Commit will write, in bytes.
func (b *Batch) Size() int {
	if b.done {
		return 0
	}
	return b.pb.Len() + b.changes.Len() + b.index.Len() + b.current
}

// Err returns the first write that was refused, or nil.
func (b *Batch) Err() error { return b.err }

// Commit makes the batch visible, without waiting for disk, and ends it. On an
// error nothing of it was written, except after ErrFailed, when only reopening
// the directory tells.
func (b *Batch) Commit() error {
	if b.done {
		return ErrClosed
	}
	defer b.Close()
	if b.err != nil {
		return b.err
	}
	if b.generation != b.db.generation {
		return ErrStaleBatch
	}
	if err := b.join(); err != nil {
		return err
	}
	if err := b.db.write("commit", func() error { return b.pb.Commit(pebble.NoSync) }); err != nil {
		return err
	}
	b.db.generation++
	for key, row := range b.rows.rows {
		if key[0] == byte(spaceCurrent) {
			b.db.rows.put(key, row)
		}
	}
	for table, pos := range b.applied {
		b.db.floors[table] = pos
	}
	return nil
}

// join puts all spaces into the one batch that is committed.
func (b *Batch) join() error {
	for _, key := range b.rows.keysOf(spaceCurrent) {
		row := b.rows.rows[key]
		b.key = append(b.key[:0], key...)
		if !row.present {
			b.note(b.pb.Delete(b.key, nil))
			continue
		}
		op := b.pb.SetDeferred(len(b.key), positionLen+len(row.value))
		copy(op.Key, b.key)
		binary.BigEndian.PutUint64(op.Value, row.pos)
		copy(op.Value[positionLen:], row.value)
		b.note(op.Finish())
	}
	for _, part := range []*pebble.Batch{b.index, b.changes} {
		if !part.Empty() {
			b.note(b.pb.Apply(part, nil))
		}
	}
	return b.err
}

// Close drops the batch unless it was committed. Closing twice does nothing.
func (b *Batch) Close() {
	if b.done {
		return
	}
	b.done = true
	// The batch is in memory; its Close only hands buffers back to a pool, and
	// after a failed commit Pebble may still hold them.
	if b.db.failure == nil {
		_ = b.pb.Close()
		_ = b.changes.Close()
		_ = b.index.Close()
	}
}

// setTagged writes tag and row under the key in b.key.
func (b *Batch) setTagged(to *pebble.Batch, tag byte, row []byte) {
	op := to.SetDeferred(len(b.key), 1+len(row))
	copy(op.Key, b.key)
	op.Value[0] = tag
	copy(op.Value[1:], row)
	b.note(op.Finish())
}

// setNumber writes a position under the key in b.key.
func (b *Batch) setNumber(pos uint64) {
	var value [positionLen]byte
	binary.BigEndian.PutUint64(value[:], pos)
	b.note(b.pb.Set(b.key, value[:], nil))
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
	default:
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
