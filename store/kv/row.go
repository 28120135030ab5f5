package kv

import "slices"

// Row is a batch's hold on one row: found once, it is read, decoded and written
// without looking for it again. It is valid until the batch ends.
type Row struct {
	key string // physical, of the current space
	pending
	newest *versionWrite // its newest version in the batch; nil is none
	died   uint64        // position of its last deletion in the batch; 0 is none
	pinned bool          // value lies in the batch's own memory
}

// Value is the row as the batch's writes so far have left it; ok is false when
// there is none. It must not be changed.
func (r *Row) Value() (row []byte, ok bool) { return r.value, r.present }

// Decoded is what PutRow or Decode was given with the present value; nil when
// nothing was, or the row came from disk.
func (r *Row) Decoded() any { return r.decoded }

// Decode keeps what the caller has made of the present value, for this batch and
// for the writer's cache. It must be of the table's only type and is not changed
// any more.
func (r *Row) Decode(b *Batch, decoded any) {
	r.decoded = decoded
	if r.newest == nil && !r.pinned {
		b.db.rows.put(r.key, r.pending)
	}
}

// versionWrite is a version that a batch writes. Versions of one row are a chain
// from the newest to the oldest.
type versionWrite struct {
	row   *Row
	value []byte
	pos   uint64
	older *versionWrite
	gone  bool // a tombstone
}

// Row finds a row: in the batch, else in the writer's cache, else on disk.
func (b *Batch) Row(t Table, pk []byte) (*Row, error) {
	if b.done {
		return nil, ErrClosed
	}
	b.key = appendKey(b.key[:0], spaceCurrent, t, pk)
	if own, ok := b.rows.entries[string(b.key)]; ok {
		return own, nil
	}
	if b.generation != b.db.generation {
		return nil, ErrStaleBatch
	}
	if cached, known := b.db.rows.get(b.key); known {
		return b.hold(string(b.key), cached), nil
	}
	if b.knownAbsent(b.key) {
		return b.hold(string(b.key), pending{}), nil
	}
	found, err := b.load(b.key)
	if err != nil {
		return nil, tableError("read", t, err)
	}
	key := string(b.key)
	b.db.rows.put(key, found)
	return b.hold(key, found), nil
}

// hold starts the batch's own entry of a row.
func (b *Batch) hold(key string, known pending) *Row {
	r := b.rowSlab.next()
	*r = Row{key: key, pending: known}
	b.rows.add(key, r)
	b.held += len(key) + len(known.value) + rowOverhead
	return r
}

// PutRow writes a version of a row. The value is copied; decoded, which may be
// nil, is what Decoded returns from now on. Of two writes of one row at one
// position the last wins.
func (b *Batch) PutRow(t Table, r *Row, pos uint64, value []byte, decoded any) {
	if b.admit(t, pos) {
		r.pending = pending{value: b.keep(value), decoded: decoded, pos: pos, present: true}
		b.addVersion(r, pos, false)
	}
}

// DeleteRow writes a tombstone: the present forgets the row, the past keeps it.
// Deleting a row that is not there writes nothing.
func (b *Batch) DeleteRow(t Table, r *Row, pos uint64) {
	if b.admit(t, pos) && r.present {
		r.pending = pending{pos: pos}
		r.died = pos
		b.addVersion(r, pos, true)
	}
}

func (b *Batch) addVersion(r *Row, pos uint64, gone bool) {
	if r.newest != nil && r.newest.pos == pos {
		r.newest.value, r.newest.gone = r.value, gone
		return
	}
	if r.newest == nil {
		b.written = append(b.written, r)
	}
	v := b.versionSlab.next()
	*v = versionWrite{row: r, value: r.value, pos: pos, older: r.newest, gone: gone}
	r.newest = v
	b.versions = append(b.versions, v)
	// A version, a change, and a part of the current row.
	b.size += 2*len(r.key) + len(v.value) + 32
}

// slab hands out elements of arrays that grow up to slabMost, so that small
// things are not allocated, nor moved, one by one.
type slab[T any] struct{ free []T }

const (
	slabLeast = 16
	slabMost  = 1024
)

func (s *slab[T]) next() *T {
	if len(s.free) == cap(s.free) {
		s.free = make([]T, 0, min(max(2*cap(s.free), slabLeast), slabMost))
	}
	s.free = s.free[:len(s.free)+1]
	return &s.free[len(s.free)-1]
}

// reset hands the last array out again.
func (s *slab[T]) reset() {
	clear(s.free)
	s.free = s.free[:0]
}

// arenaChunk is what values are copied into at least; arenaMost at most, so that
// what is not used of the last one stays small.
const (
	arenaChunk = 4 << 10
	arenaMost  = 1 << 20
)

// keep copies bytes into memory that lives as long as the batch. Its chunks
// double: a batch of one row and one of a million rows both allocate little.
func (b *Batch) keep(value []byte) []byte {
	if cap(b.arena)-len(b.arena) < len(value) {
		b.arena = make([]byte, 0, max(min(max(2*cap(b.arena), arenaChunk), arenaMost), len(value)))
	}
	start := len(b.arena)
	b.arena = append(b.arena, value...)
	return b.arena[start:len(b.arena):len(b.arena)]
}

// cacheRows tells the writer's cache what the batch has committed. Values are
// copied out of the batch's large pieces, which a single row would keep alive.
// More rows than the cache can hold replace it by nothing: keeping some of them
// would cost as much as reading them again.
func (b *Batch) cacheRows() {
	if cache := b.db.rows; int64(len(b.written))*rowOverhead > cache.half/2 {
		cache.clear()
		return
	}
	for _, r := range b.written {
		row := r.pending
		row.value = slices.Clone(row.value)
		b.db.rows.put(r.key, row)
	}
}
