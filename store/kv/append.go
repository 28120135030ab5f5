package kv

import (
	"bytes"
	"fmt"
)

// appended are index keys of one table that are written in order.
type appended struct{ keys [][]byte }

// IndexAppend adds an index key that comes after all that this batch has
// appended to the table: it costs neither a lookup nor a sort. The last one again
// is passed over. The batch's own ScanIndex and IndexDelete do not know such keys.
// A table writes its index by IndexAppend or by IndexPut, not by both.
func (b *Batch) IndexAppend(t Table, key []byte) {
	if !b.writable(t) {
		return
	}
	b.key = appendHeader(b.key[:0], spaceIndex, t)
	a := b.appended.entries[string(b.key)]
	if a == nil {
		a = &appended{}
		b.appended.add(string(b.key), a)
	}
	if n := len(a.keys); n > 0 {
		switch c := bytes.Compare(a.keys[n-1], key); {
		case c > 0:
			b.note(tableError("write index of", t, fmt.Errorf("%w: key %x comes before %x", ErrPosition, key, a.keys[n-1])))
			return
		case c == 0:
			return
		}
	}
	a.keys = append(a.keys, b.keep(key))
	b.size += headerLen + len(key) + 1
}
