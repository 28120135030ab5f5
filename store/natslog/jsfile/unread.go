package jsfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Unread are the blocks that no walk has verified since the start. They are verified
// before the server reads them, because it truncates a damaged file also when it
// reads it later (filestore.go, loadMsgsWithLock). The zero value has none.
type Unread struct {
	files Blocks

	mu     sync.Mutex
	blocks []unreadBlock // in order, not overlapping
}

// unreadBlock holds the messages first to next-1.
type unreadBlock struct {
	index       uint32
	first, next uint64
}

// Unread finds which messages the skipped blocks hold.
func (b Blocks) Unread(found Inspection) (*Unread, error) {
	u := &Unread{files: b}
	for _, skipped := range found.Skipped {
		first, err := b.first(skipped.Index)
		if err != nil {
			return nil, err
		}
		if n := len(u.blocks); n > 0 {
			u.blocks[n-1].next = first
		}
		u.blocks = append(u.blocks, unreadBlock{index: skipped.Index, first: first, next: found.read})
	}
	return u, nil
}

// Verify reads the unread blocks that hold messages from a sequence to another,
// both included. Two calls may read one block twice; none waits for the other.
func (u *Unread) Verify(from, to uint64) error {
	for _, b := range u.overlapping(from, to) {
		w := &walker{files: u.files, next: b.first, floor: math.MaxUint64}
		if b.index == 1 {
			w.next = 1
		}
		err := w.walk(b.index, false)
		if err == nil && w.next != b.next {
			err = w.damage(u.files.Path(b.index), -1, fmt.Sprintf("the next block starts at message %d", b.next))
		}
		if err != nil {
			return u.locate(err)
		}
		u.Done(b.index)
	}
	return nil
}

func (u *Unread) locate(found error) error {
	blocks, err := u.files.List()
	if err != nil {
		return errors.Join(found, err)
	}
	return u.files.locate(blocks, found, math.MaxUint64)
}

func (u *Unread) overlapping(from, to uint64) []unreadBlock {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []unreadBlock
	for _, b := range u.blocks {
		if b.first <= to && b.next > from {
			out = append(out, b)
		}
	}
	return out
}

// Done notes that a block was verified.
func (u *Unread) Done(index uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.blocks = slices.DeleteFunc(u.blocks, func(b unreadBlock) bool { return b.index == index })
}
