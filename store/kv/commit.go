package kv

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

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
	b.emit(s)
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

// emit walks the spaces in order.
func (b *Batch) emit(to sink) {
	slices.SortFunc(b.written, func(x, y *Row) int { return strings.Compare(x.key, y.key) })
	b.emitMeta(to)
	b.emitCurrent(to)
	b.emitVersions(to)
	b.emitChanges(to)
	b.emitIndex(to)
	b.emitDead(to)
}

// emitMeta begins with a key that every commit writes. Thus a commit by tables
// overlaps the memtable that holds the one before it, and Pebble keeps their
// order when it recovers: promise 1.
func (b *Batch) emitMeta(to sink) {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], b.generation)
	to.set(appendMetaKey(b.key[:0], ""), number[:], nil)
	for _, name := range slices.Sorted(maps.Keys(b.meta)) {
		b.key = appendMetaKey(b.key[:0], name)
		if m := b.meta[name]; m.present {
			to.set(b.key, m.value, nil)
		} else {
			to.remove(b.key)
		}
	}
	for _, table := range slices.SortedFunc(maps.Keys(b.applied), tableKey.compare) {
		b.key = appendAppliedKey(b.key[:0], Table{ID: table.id, Version: table.version})
		binary.BigEndian.PutUint64(number[:], b.applied[table])
		to.set(b.key, number[:], nil)
	}
}

func (b *Batch) emitCurrent(to sink) {
	var pos [positionLen]byte
	for _, r := range b.written {
		b.key = append(b.key[:0], r.key...)
		if r.present {
			binary.BigEndian.PutUint64(pos[:], r.pos)
			to.set(b.key, pos[:], r.value)
		} else {
			to.remove(b.key)
		}
	}
}

// emitVersions goes from the newest version of a row to its oldest, as their
// keys do.
func (b *Batch) emitVersions(to sink) {
	row, tombstone := []byte{tagRow}, []byte{tagDeleted}
	for _, r := range b.written {
		b.key = append(b.key[:0], r.key...)
		b.key[0] = byte(spaceVersion)
		prefix := len(b.key)
		for i := r.newest; i != noVersion; i = b.versions[i].older {
			v := &b.versions[i]
			b.key = appendSuffix(b.key[:prefix], v.pos)
			if v.gone {
				to.set(b.key, tombstone, nil)
			} else {
				to.set(b.key, row, v.value)
			}
		}
	}
}

// emitChanges orders versions by table, position and key. They are in order of
// position, so only the rows of one event are sorted.
func (b *Batch) emitChanges(to sink) {
	byTable := map[string][]*versionWrite{}
	for i := range b.versions {
		v := &b.versions[i]
		header := v.row.key[1:headerLen]
		byTable[header] = append(byTable[header], v)
	}
	for _, header := range slices.Sorted(maps.Keys(byTable)) {
		vs := byTable[header]
		slices.SortFunc(vs, func(x, y *versionWrite) int {
			if c := cmp.Compare(x.pos, y.pos); c != 0 {
				return c
			}
			return strings.Compare(x.row.key, y.row.key)
		})
		for _, v := range vs {
			b.key = append(append(b.key[:0], byte(spaceChange)), header...)
			b.key = binary.BigEndian.AppendUint64(b.key, v.pos)
			b.key = append(b.key, v.row.key[headerLen:]...)
			to.set(b.key, nil, nil)
		}
	}
}

// emitIndex merges single keys and series. A table has one kind of them, and
// headers are of one length, so a series lies whole between two single keys.
func (b *Batch) emitIndex(to sink) {
	single := b.index.keys()
	for _, prefix := range b.series.keys() {
		n, _ := slices.BinarySearch(single, prefix)
		b.emitSingle(to, single[:n])
		single = single[n:]
		b.emitSeries(to, prefix, b.series.entries[prefix])
	}
	b.emitSingle(to, single)
}

func (b *Batch) emitSeries(to sink, prefix string, s *series) {
	b.key = append(b.key[:0], prefix...)
	for _, number := range s.numbers {
		b.key = binary.BigEndian.AppendUint64(b.key[:len(prefix)], number)
		b.key = append(b.key, sentinel)
		to.set(b.key, nil, nil)
	}
	for _, key := range s.keys {
		b.key = append(append(b.key[:len(prefix)], key...), sentinel)
		to.set(b.key, nil, nil)
	}
}

func (b *Batch) emitSingle(to sink, keys []string) {
	for _, key := range keys {
		b.key = append(b.key[:0], key...)
		if b.index.entries[key] {
			to.set(b.key, nil, nil)
		} else {
			to.remove(b.key)
		}
	}
}

func (b *Batch) emitDead(to sink) {
	var pos [positionLen]byte
	for _, r := range b.written {
		if r.died > 0 {
			b.key = append(b.key[:0], r.key...)
			b.key[0] = byte(spaceDead)
			binary.BigEndian.PutUint64(pos[:], r.died)
			to.set(b.key, pos[:], nil)
		}
	}
}
