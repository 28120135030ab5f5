package kv

import (
	"bytes"
	"fmt"
)

// series are index keys of one beginning that are written in ascending order and
// not read before Commit: kept as a list they cost neither a lookup nor a sort.
type series struct {
	numbers []uint64 // of IndexSeries
	keys    [][]byte // of IndexAppend; a series has one kind
}

// IndexSeries adds the index key of a prefix and a number, big endian. Numbers
// of one prefix ascend within the batch; the last one again is passed over. The
// batch's own ScanIndex and IndexDelete do not know such keys. A table writes its
// index by one of IndexSeries, IndexAppend and IndexPut, and no prefix may be the
// beginning of another.
func (b *Batch) IndexSeries(t Table, prefix []byte, number uint64) {
	if !b.writable(t) {
		return
	}
	s := b.seriesOf(t, prefix)
	if n := len(s.numbers); n > 0 && s.numbers[n-1] >= number {
		if s.numbers[n-1] > number {
			b.note(tableError("write index of", t, fmt.Errorf("%w: it is %d; the least allowed is %d", ErrPosition, number, s.numbers[n-1])))
		}
		return
	}
	s.numbers = append(s.numbers, number)
	b.size += len(b.key) + 9
}

// IndexAppend adds an index key that comes after all that this batch has
// appended to the table; see IndexSeries. The last one again is passed over.
func (b *Batch) IndexAppend(t Table, key []byte) {
	if !b.writable(t) {
		return
	}
	s := b.seriesOf(t, nil)
	if n := len(s.keys); n > 0 {
		switch c := bytes.Compare(s.keys[n-1], key); {
		case c > 0:
			b.note(tableError("write index of", t, fmt.Errorf("%w: key %x comes before %x", ErrPosition, key, s.keys[n-1])))
			return
		case c == 0:
			return
		}
	}
	s.keys = append(s.keys, b.keep(key))
	b.size += headerLen + len(key) + 1
}

// seriesOf leaves the physical prefix in b.key.
func (b *Batch) seriesOf(t Table, prefix []byte) *series {
	b.key = append(appendHeader(b.key[:0], spaceIndex, t), prefix...)
	s := b.series.entries[string(b.key)]
	if s == nil {
		s = &series{}
		b.series.add(string(b.key), s)
	}
	return s
}
