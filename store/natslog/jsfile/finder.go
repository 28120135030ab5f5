package jsfile

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/omnirelay/omnirelay/events"
)

// Finder finds messages in block files, in rising order, and reads on from where
// the last one was.
type Finder struct {
	Blocks Blocks

	index  uint32 // of the block that was read; 0: none
	offset int64  // behind the last whole record there
	last   uint64 // its sequence
	hash   events.Hash
}

// Hash returns the hash of a message's bytes, and how far the files reach; the
// hash says nothing unless they reach the message.
func (f *Finder) Hash(sequence uint64) (hash events.Hash, last uint64, err error) {
	blocks, err := f.Blocks.List()
	if err != nil {
		return hash, 0, err
	}
	if f.last >= sequence || !f.resumes(blocks) {
		*f = Finder{Blocks: f.Blocks}
	}
	for _, b := range f.holding(blocks, sequence) {
		if b.Index != f.index {
			f.index, f.offset = b.Index, 0
		}
		if err := f.read(sequence); err != nil {
			return hash, 0, err
		}
		if f.last >= sequence {
			break
		}
	}
	return f.hash, f.last, nil
}

// resumes tells whether the block that was read is still there and no shorter.
func (f *Finder) resumes(blocks []Block) bool {
	for _, b := range blocks {
		if b.Index == f.index {
			return b.Size >= f.offset
		}
	}
	return false
}

// holding are the blocks from the one that was read on, or from the one that holds
// the message.
func (f *Finder) holding(blocks []Block, sequence uint64) []Block {
	from := 0
	for i, b := range blocks {
		if b.Index < f.index {
			from = i + 1
			continue
		}
		if first, err := f.Blocks.first(b.Index); err == nil && first != 0 && first <= sequence {
			from = i
		}
	}
	return blocks[from:]
}

// read reads on in the block, up to a message, and verifies that one's checksum.
func (f *Finder) read(sequence uint64) error {
	file, err := os.Open(f.Blocks.Path(f.index))
	if err != nil {
		return fmt.Errorf("jsfile: read block: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	d, err := newDigester(f.Blocks.Stream, f.index)
	if err != nil {
		return err
	}
	for f.last < sequence {
		var head [recordHead]byte
		if n, _ := file.ReadAt(head[:], f.offset); n < len(head) {
			return nil // the end, for now
		}
		length := int64(binary.LittleEndian.Uint32(head[:]) &^ headersBit)
		if length < recordLeast || length > recordMost {
			return fmt.Errorf("jsfile: a record in %s at byte %d claims a length of %d bytes", file.Name(), f.offset, length)
		}
		at := binary.LittleEndian.Uint64(head[4:])
		if at >= sequence {
			buf := make([]byte, length)
			if n, _ := file.ReadAt(buf, f.offset); n < len(buf) {
				return nil // being written
			}
			r, problem := d.parse(buf)
			if problem != "" {
				return fmt.Errorf("jsfile: %s at byte %d: %s", file.Name(), f.offset, problem)
			}
			f.hash = events.HashOf(r.payload)
		}
		f.last = at
		f.offset += length
	}
	return nil
}
