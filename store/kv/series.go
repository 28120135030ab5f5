package kv

import "fmt"

// series are the index keys that begin alike and end in a number, written in
// ascending order: kept as one prefix and a list of numbers they cost neither a
// lookup nor a comparison each.
type series struct {
	numbers []uint64
}

// IndexSeries adds the index key of a prefix and a number, big endian. Numbers
// of one prefix ascend within the batch; the last one again is passed over. It
// is for keys that are only ever added: the batch's own ScanIndex and
// IndexDelete do not know them. A table writes its index by series or by
// IndexPut, not by both, and no prefix may be the beginning of another.
func (b *Batch) IndexSeries(t Table, prefix []byte, number uint64) {
	if !b.writable(t) {
		return
	}
	b.key = append(appendHeader(b.key[:0], spaceIndex, t), prefix...)
	s := b.series.entries[string(b.key)]
	if s == nil {
		s = &series{}
		b.series.add(string(b.key), s)
	}
	if n := len(s.numbers); n > 0 && s.numbers[n-1] >= number {
		if s.numbers[n-1] > number {
			b.note(tableError("write index of", t, fmt.Errorf("%w: it is %d; the least allowed is %d", ErrPosition, number, s.numbers[n-1])))
		}
		return
	}
	s.numbers = append(s.numbers, number)
	b.size += len(b.key) + 9
}
