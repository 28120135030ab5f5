package kv

import "github.com/cockroachdb/pebble/v2"

// Commit makes the batch visible, without waiting for disk, and ends it. On an
// error nothing of it was written, except after ErrFailed, when only reopening
// the directory tells.
//
// A batch of Config.Ingest bytes or more does not go through Pebble's log and
// memtable: it is written into tables, which Pebble takes over in one step. That
// saves the log, the search in the memtable, its flush, and where keys only grow
// every later compaction.
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
	write := b.commitBatch
	if int64(b.size) >= b.db.ingest {
		write = b.commitTables
	}
	if err := b.db.write("commit", write); err != nil {
		return err
	}
	b.db.generation++
	b.cacheRows()
	for table, pos := range b.applied {
		b.db.floors[table] = pos
	}
	return nil
}

// commitBatch goes through Pebble's memtable. Keys are in order: it inserts one
// fast that follows the one before it.
func (b *Batch) commitBatch() error {
	pb := b.db.pdb.NewBatchWithSize(b.size + b.size/4 + 512)
	s := &batchSink{pb: pb}
	b.arrange()
	(&emitter{Batch: b, to: s}).all()
	if s.err != nil {
		return s.err
	}
	if err := pb.Commit(pebble.NoSync); err != nil {
		return err
	}
	return pb.Close()
}

// sink takes what a batch writes, in the order of physical keys, each key once.
// A value is head and tail together. Its slices are valid during the call.
type sink interface {
	set(key, head, tail []byte)
	remove(key []byte)
}

// batchSink writes to a Pebble batch.
type batchSink struct {
	pb  *pebble.Batch
	err error
}

func (s *batchSink) set(key, head, tail []byte) {
	op := s.pb.SetDeferred(len(key), len(head)+len(tail))
	copy(op.Key, key)
	copy(op.Value[copy(op.Value, head):], tail)
	s.note(op.Finish())
}

func (s *batchSink) remove(key []byte) { s.note(s.pb.Delete(key, nil)) }

func (s *batchSink) note(err error) {
	if s.err == nil {
		s.err = err
	}
}
