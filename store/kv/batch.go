package kv

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Batch collects writes that become visible together. It reads its own writes.
//
// Writes return nothing; the first one that is refused is kept, later writes do
// nothing, and Err and Commit report it: a caller that applies facts has no
// answer to an error in the middle.
type Batch struct {
	db         *DB
	pb         *pebble.Batch
	generation uint64
	err        error
	done       bool

	pending overlay
	floors  map[tableKey]uint64 // least position that the next write may have
	applied map[tableKey]uint64 // positions set in this batch
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
		generation: d.generation,
		pending:    newOverlay(),
		floors:     make(map[tableKey]uint64),
		applied:    make(map[tableKey]uint64),
	}, nil
}

// Put writes a version of a row. The batch keeps row until Commit, and the
// writer's cache after it: the caller must not change it any more. Of two writes
// of one row at one position the last wins.
func (b *Batch) Put(t Table, pk []byte, pos uint64, row []byte) {
	if !b.admit(t, pos) {
		return
	}
	value := b.defer_(spaceVersion, t, pk, pos, 1+len(row))
	value[0] = tagRow
	copy(value[1:], row)
	b.finish()

	b.putChange(t, pk, pos, row)

	key := appendKey(make([]byte, 0, headerLen+len(pk)+1), spaceCurrent, t, pk)
	op := b.pb.SetDeferred(len(key), positionLen+len(row))
	copy(op.Key, key)
	binary.BigEndian.PutUint64(op.Value, pos)
	copy(op.Value[positionLen:], row)
	b.note(op.Finish())
	b.pending.put(string(key), pending{value: row, pos: pos, present: true})
}
