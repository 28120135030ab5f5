package jsfile

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

// walker verifies blocks one after the other.
type walker struct {
	files Blocks
	// next is the sequence that the next record must have.
	next uint64
	// floor: a record that was cut off at the very end of the last block is
	// forgiven if its sequence is higher. It was being written, and never
	// acknowledged.
	floor uint64
	// before holds the payload of the last good record, for its position.
	before []byte
	// each, if set, is called with every good record; its data is of the block.
	each func(store.Message) error
	// read, if set, reads in place of os.ReadFile: a disk that changes its mind.
	read func(path string) ([]byte, error)
}

// walkAll verifies the log's blocks to its end.
func (w *walker) walkAll(blocks []Block) error {
	for i, b := range blocks {
		if err := w.walk(b.Index, i == len(blocks)-1); err != nil {
			return err
		}
	}
	return nil
}

// walk verifies one block, to its end. last tells that no block follows. The
// error is a *CorruptError when the bytes are damaged.
func (w *walker) walk(index uint32, last bool) error {
	path := w.files.Path(index)
	read := os.ReadFile
	if w.read != nil {
		read = w.read
	}
	buf, err := read(path)
	if err != nil {
		return fmt.Errorf("jsfile: read block: %w", err)
	}
	d, err := newDigester(w.files.Stream, index)
	if err != nil {
		return err
	}
	for offset := 0; offset < len(buf); {
		r, problem := d.parse(buf[offset:])
		if problem != "" && last && w.next > w.floor && !d.laterRecord(buf[offset:], w.next) {
			return nil // torn
		}
		if problem == "" {
			problem = w.misplaced(r)
		}
		if problem != "" {
			return w.damage(path, int64(offset), problem)
		}
		if w.each != nil {
			if err := w.each(store.Message{Sequence: r.sequence, Data: r.payload}); err != nil {
				return err
			}
		}
		w.next, w.before = r.sequence+1, r.payload
		offset += r.length
	}
	// Do not hold the whole block for the sake of one frame.
	w.before = slices.Clone(w.before)
	return nil
}

// misplaced says why a whole record does not belong here.
func (w *walker) misplaced(r record) string {
	switch {
	case r.sequence&(erasedBit|tombstoneBit) != 0:
		return fmt.Sprintf("message %d was deleted", r.sequence&^(erasedBit|tombstoneBit))
	case r.sequence != w.next:
		return fmt.Sprintf("message %d follows message %d", r.sequence, w.next-1)
	}
	return ""
}

// laterRecord looks for a whole record of a later message after a damaged one.
// Each message is fsynced before the next is written, so a torn record has
// nothing behind it; a damaged one that was stored has.
func (d digester) laterRecord(buf []byte, sequence uint64) bool {
	for i := 1; i+recordLeast <= len(buf); i++ {
		s := binary.LittleEndian.Uint64(buf[i+4:])
		if s <= sequence || s > sequence+uint64(len(buf)) {
			continue
		}
		if _, problem := d.parse(buf[i:]); problem == "" {
			return true
		}
	}
	return false
}

func (w *walker) damage(file string, offset int64, problem string) *CorruptError {
	return &CorruptError{
		File: file, Offset: offset, Sequence: w.next,
		Position: w.position(), Problem: problem, Err: ErrCorrupt,
	}
}

// position of the next record's first event; 0 when the frame before does not
// say, or is not a frame.
func (w *walker) position() events.Position {
	if w.next == 1 {
		return 1
	}
	f := &eventsv1.Frame{}
	if err := proto.Unmarshal(w.before, f); err != nil || f.First == 0 {
		return 0
	}
	return events.Position(f.First) + events.Position(events.CountEvents(f))
}
