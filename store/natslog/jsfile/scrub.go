package jsfile

import (
	"errors"
	"io/fs"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// Scrub verifies blocks, in rising order, while a server may write them: the checksum
// of each record, that the sequences have no gap, and that each frame names the hash
// of the one before.
//
// JetStream may remove or rewrite the files of a replica while it catches up. So
// damage counts only when the file is the same afterwards and shows it a second time.
type Scrub struct {
	Blocks Blocks

	// next and head follow the last message that was verified, before is that; next
	// 0: none was.
	next   uint64
	head   events.Head
	before []byte

	read func(path string) ([]byte, error) // nil: os.ReadFile
}

// Last is the last message that was verified, 0 when none was.
func (s *Scrub) Last() uint64 { return max(s.next, 1) - 1 }

// Skip leaves out a block that keeps changing: the chain begins anew behind it.
func (s *Scrub) Skip() { s.next = 0 }

// Look verifies a block as it is now. changing: it was written meanwhile, and what was
// found in it says nothing. Its error is a [*CorruptError] when bytes are damaged. A
// block that is gone is whole.
func (s *Scrub) Look(index uint32) (changing bool, err error) {
	before, err := s.Blocks.Stat(index)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	last, err := s.isLast(index)
	if err != nil {
		return false, err
	}
	for range 2 { // what one read shows may be half of what is being written
		var end Scrub
		if end, err = s.walk(index, last); err == nil {
			*s = end
			return false, nil
		}
	}
	if now, serr := s.Blocks.Stat(index); serr != nil || now != before {
		return true, nil //nolint:nilerr // it was being written, or is gone
	}
	var damaged *CorruptError
	if !errors.As(err, &damaged) {
		return false, err
	}
	if again, lerr := s.isLast(index); lerr == nil && again != last {
		return true, nil // JetStream has begun another one after it
	}
	damaged.Opened = true
	return false, damaged
}

func (s *Scrub) isLast(index uint32) (bool, error) {
	blocks, err := s.Blocks.List()
	return len(blocks) == 0 || blocks[len(blocks)-1].Index == index, err
}

// walk verifies a block that follows what was verified before. The last one may end
// within a record: that one is being written.
func (s *Scrub) walk(index uint32, last bool) (end Scrub, err error) {
	end = *s
	if end.next == 0 {
		if end.next, err = s.Blocks.first(index); err != nil || end.next == 0 {
			return *s, err
		}
		end.head, end.before = events.Head{}, nil
	}
	w := &walker{files: s.Blocks, next: end.next, before: end.before, read: s.read}
	w.each = func(m store.Message) error {
		head, err := end.head.After(m.Data)
		if err != nil {
			return w.damage(s.Blocks.Path(index), -1, err.Error())
		}
		end.head, end.next = head, m.Sequence+1
		return nil
	}
	err = w.walk(index, last)
	end.before = w.before
	return end, err
}
