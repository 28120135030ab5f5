package jsfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/omnirelay/omnirelay/store"
)

// End is the sequence of the last whole record, 0 when there is none.
func (b Blocks) End() (uint64, error) {
	blocks, err := b.List()
	if err != nil {
		return 0, err
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		var last uint64
		err := b.scan(blocks[i].Index, func(r record) bool {
			last = r.sequence
			return true
		})
		if err != nil || last > 0 {
			return last, err
		}
	}
	return 0, nil
}

// scan calls fn with the whole records of a block, until one is damaged or fn has
// enough. A block that is gone has none.
func (b Blocks) scan(index uint32, fn func(record) bool) error {
	buf, err := os.ReadFile(b.Path(index))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("jsfile: read block: %w", err)
	}
	d, err := newDigester(b.Stream, index)
	if err != nil {
		return err
	}
	for offset := 0; offset < len(buf); {
		r, problem := d.parse(buf[offset:])
		if problem != "" || !fn(r) {
			return nil
		}
		offset += r.length
	}
	return nil
}

// After calls fn with the messages from a sequence on, as long as each is whole and
// directly after the one before, until fn has enough. The data is valid until fn
// returns.
func (b Blocks) After(from uint64, fn func(store.Message) bool) error {
	blocks, err := b.List()
	if err != nil {
		return err
	}
	start := 0
	for i, x := range blocks {
		if first, err := b.first(x.Index); err == nil && first != 0 && first <= from {
			start = i
		}
	}
	next, more := from, true
	for _, x := range blocks[start:] {
		err := b.scan(x.Index, func(r record) bool {
			if r.sequence < next {
				return true
			}
			if more = r.sequence == next; !more {
				return false
			}
			next++
			more = fn(store.Message{Sequence: r.sequence, Data: r.payload})
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}
