package kv

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// emitter walks a batch in the order of physical keys. Spaces are emitted in
// order too, or each to a sink of its own.
type emitter struct {
	*Batch
	to  sink
	key []byte // scratch
}

// arrange sorts what the spaces share, before the first of them is emitted.
func (b *Batch) arrange() {
	slices.SortFunc(b.written, func(x, y *Row) int { return strings.Compare(x.key, y.key) })
}

func (e *emitter) all() {
	e.meta()
	e.current()
	e.versions()
	e.changes()
	e.index()
	e.dead()
	e.series()
}

// meta begins with a key that every commit writes. Thus a commit by tables
// overlaps the memtable that holds the one before it, and Pebble keeps their
// order when it recovers: promise 1.
func (e *emitter) meta() {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], e.generation)
	e.to.set(appendMetaKey(e.key[:0], ""), number[:], nil)
	for _, name := range slices.Sorted(maps.Keys(e.Batch.meta)) {
		e.key = appendMetaKey(e.key[:0], name)
		if m := e.Batch.meta[name]; m.present {
			e.to.set(e.key, m.value, nil)
		} else {
			e.to.remove(e.key)
		}
	}
	for _, table := range slices.SortedFunc(maps.Keys(e.applied), tableKey.compare) {
		e.key = appendAppliedKey(e.key[:0], Table{ID: table.id, Version: table.version})
		binary.BigEndian.PutUint64(number[:], e.applied[table])
		e.to.set(e.key, number[:], nil)
	}
}

func (e *emitter) current() {
	var pos [positionLen]byte
	for _, r := range e.written {
		e.key = append(e.key[:0], r.key...)
		if r.present {
			binary.BigEndian.PutUint64(pos[:], r.pos)
			e.to.set(e.key, pos[:], r.value)
		} else {
			e.to.remove(e.key)
		}
	}
}

// versions goes from the newest version of a row to its oldest, as their keys
// do.
func (e *emitter) versions() {
	row, tombstone := []byte{tagRow}, []byte{tagDeleted}
	for _, r := range e.written {
		e.key = append(e.key[:0], r.key...)
		e.key[0] = byte(spaceVersion)
		prefix := len(e.key)
		for v := r.newest; v != nil; v = v.older {
			e.key = appendSuffix(e.key[:prefix], v.pos)
			if v.gone {
				e.to.set(e.key, tombstone, nil)
			} else {
				e.to.set(e.key, row, v.value)
			}
		}
	}
}

// changes orders versions by table, position and key. They are in order of
// position, so only the rows of one event are moved.
func (e *emitter) changes() {
	byTable := map[string][]*versionWrite{}
	for _, v := range e.Batch.versions {
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
			e.key = append(append(e.key[:0], byte(spaceChange)), header...)
			e.key = binary.BigEndian.AppendUint64(e.key, v.pos)
			e.key = append(e.key, v.row.key[headerLen:]...)
			e.to.set(e.key, nil, nil)
		}
	}
}

// index merges single keys and appended ones. A table has one kind of them, and
// headers are of one length, so a table's lie whole between those of others.
func (e *emitter) index() {
	single := e.Batch.index.keys()
	for _, header := range e.Batch.appended.keys() {
		n, _ := slices.BinarySearch(single, header)
		e.single(single[:n])
		single = single[n:]
		for _, key := range e.Batch.appended.entries[header].keys {
			e.key = append(append(append(e.key[:0], header...), key...), sentinel)
			e.to.set(e.key, nil, nil)
		}
	}
	e.single(single)
}

func (e *emitter) single(keys []string) {
	for _, key := range keys {
		e.key = append(e.key[:0], key...)
		if e.Batch.index.entries[key] {
			e.to.set(e.key, nil, nil)
		} else {
			e.to.remove(e.key)
		}
	}
}

func (e *emitter) dead() {
	var pos [positionLen]byte
	for _, r := range e.written {
		if r.died > 0 {
			e.key = append(e.key[:0], r.key...)
			e.key[0] = byte(spaceDead)
			binary.BigEndian.PutUint64(pos[:], r.died)
			e.to.set(e.key, pos[:], nil)
		}
	}
}
