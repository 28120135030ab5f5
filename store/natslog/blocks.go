package natslog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// block is one file of the log: records in the order of their sequences.
type block struct {
	Index    uint32 `json:"index"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // Unix nanoseconds
}

// blockFiles reads the block files of one stream, and never writes.
type blockFiles struct {
	dir    string // …/jetstream/$G/streams/<stream>/msgs
	stream string
}

func newBlockFiles(storeDir, stream string) blockFiles {
	return blockFiles{filepath.Join(storeDir, "jetstream", "$G", "streams", stream, "msgs"), stream}
}

func (b blockFiles) path(index uint32) string {
	return filepath.Join(b.dir, strconv.FormatUint(uint64(index), 10)+".blk")
}

// list returns the blocks in order; none when there is no directory.
func (b blockFiles) list() ([]block, error) {
	entries, err := os.ReadDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("natslog: list blocks: %w", err)
	}
	var out []block
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".blk")
		if !ok {
			continue
		}
		index, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue // JetStream does not read it either
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("natslog: list blocks: %w", err)
		}
		out = append(out, block{uint32(index), info.Size(), info.ModTime().UnixNano()})
	}
	slices.SortFunc(out, func(x, y block) int { return int(int64(x.Index) - int64(y.Index)) })
	return out, nil
}

// first reads the sequence of a block's first record, 0 when the file is too
// short for one.
func (b blockFiles) first(index uint32) (uint64, error) {
	f, err := os.Open(b.path(index))
	if err != nil {
		return 0, fmt.Errorf("natslog: read block: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	var head [recordHead]byte
	if _, err := io.ReadFull(f, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("natslog: read block: %w", err)
	}
	return binary.LittleEndian.Uint64(head[4:]) &^ (erasedBit | tombstoneBit), nil
}

// walker verifies blocks one after the other.
type walker struct {
	files blockFiles
	// next is the sequence that the next record must have.
	next uint64
	// floor: a record that was cut off at the very end of the last block is
	// forgiven if its sequence is higher. It was being written, and never
	// acknowledged.
	floor uint64
	// before holds the payload of the last good record, for its position.
	before []byte
	// each, if set, is called with every good record; its payload is of the block.
	each func(record) error
}

// walkAll verifies the log's blocks to its end.
func (w *walker) walkAll(blocks []block) error {
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
	path := w.files.path(index)
	buf, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("natslog: read block: %w", err)
	}
	d, err := newDigester(w.files.stream, index)
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
			if err := w.each(r); err != nil {
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
