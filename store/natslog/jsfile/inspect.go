package jsfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/store"
)

// Stop is what a clean stop notes of a log: its files after the server had ended.
type Stop struct {
	Stream string `json:"stream"`
	// Last is the last message of the log; 0 when this server's copy may lack it.
	Last   uint64  `json:"last"`
	Blocks []Block `json:"blocks"`
}

// Inspection is what the block files say before the server may touch them.
type Inspection struct {
	Last uint64 // sequence of the last whole message
	// Skipped are the blocks that were not read, because the last stop was clean and
	// they look as they did then. The messages from read on were.
	Skipped []Block
	read    uint64
}

// Inspect verifies the log's files and changes nothing. floor is the sequence
// that must be there. stop is what the last clean stop left, nil when the last
// stop was not clean; then all blocks are read, and a record may be torn at the
// very end, above floor.
func (b Blocks) Inspect(floor uint64, stop *Stop) (Inspection, error) {
	blocks, err := b.List()
	if err != nil {
		return Inspection{}, err
	}
	if stop != nil {
		floor = max(floor, stop.Last)
	}
	w := &walker{files: b, next: 1, floor: floor}
	skipped, err := b.skip(blocks, stop, w)
	if err != nil {
		return Inspection{}, err
	}
	read := w.next
	if err := w.walkAll(blocks[len(skipped):]); err != nil {
		return Inspection{}, b.locate(blocks, err, floor)
	}
	if last := w.next - 1; last < floor {
		return Inspection{}, b.truncated(blocks, w, floor)
	}
	if err := b.shrunk(stop, blocks, w); err != nil {
		return Inspection{}, err
	}
	return Inspection{Last: w.next - 1, Skipped: skipped, read: read}, nil
}

// Verify reads all blocks of a log that is in use. Its error is a [*CorruptError] if
// bytes are damaged, or if the log ends before a message. A record may be torn at the
// very end, above floor.
func (b Blocks) Verify(message, floor uint64) error {
	blocks, err := b.List()
	if err != nil {
		return err
	}
	w := &walker{files: b, next: 1, floor: floor}
	if err := w.walkAll(blocks); err != nil {
		return err
	}
	if w.next <= message {
		return b.truncated(blocks, w, message)
	}
	return nil
}

// locate reads all blocks again from the start when an error was found without
// what lies before, which the position is known from.
func (b Blocks) locate(blocks []Block, found error, floor uint64) error {
	var damaged *CorruptError
	if !errors.As(found, &damaged) || damaged.Position != 0 {
		return found
	}
	w := &walker{files: b, next: 1, floor: floor}
	if err := w.walkAll(blocks); err != nil {
		return err
	}
	return found // whole by now: somebody repaired it, or the disk changes its mind
}

// recent is how old a block must be for the server not to read it when it
// starts: it reads the messages of its dedupe window, and cuts the file at a bad
// checksum then. The window that the log asks for is 100 ms; the rest is for clocks.
const recent = time.Minute

// skip returns the blocks that a clean stop vouches for, and sets the walker to
// what follows them. The last block and recent ones are always read.
func (b Blocks) skip(blocks []Block, stop *Stop, w *walker) ([]Block, error) {
	if stop == nil || !slices.Equal(stop.Blocks, blocks) {
		return nil, nil
	}
	w.floor = math.MaxUint64 // nothing was being written
	since := time.Now().Add(-recent).UnixNano()
	n := 0
	for n < len(blocks)-1 && blocks[n].Modified < since {
		n++
	}
	if n == 0 {
		return nil, nil
	}
	first, err := b.first(blocks[n].Index)
	if err != nil || first == 0 {
		return nil, err // an empty block: read them all
	}
	w.next = first
	return blocks[:n], nil
}

func (b Blocks) truncated(blocks []Block, w *walker, floor uint64) error {
	e := &CorruptError{
		File: b.Dir, Offset: -1, Sequence: w.next, Position: w.position(), Err: store.ErrLogTruncated,
		Problem: fmt.Sprintf("the log ends at message %d, message %d was stored", w.next-1, floor),
	}
	if len(blocks) > 0 {
		last := blocks[len(blocks)-1]
		e.File, e.Offset = b.Path(last.Index), last.Size
	}
	return e
}

// shrunk reports a file that is shorter than a clean stop left it, or gone. The
// mark of a replica does not say how far the log reaches, but nobody writes its
// files while it is down.
func (b Blocks) shrunk(stop *Stop, blocks []Block, w *walker) error {
	if stop == nil {
		return nil
	}
	sizes := map[uint32]int64{}
	for _, now := range blocks {
		sizes[now.Index] = now.Size
	}
	for _, was := range stop.Blocks {
		if size := sizes[was.Index]; size < was.Size {
			return &CorruptError{
				File: b.Path(was.Index), Offset: size, Sequence: w.next, Position: w.position(), Err: store.ErrLogTruncated,
				Problem: fmt.Sprintf("the file has %d bytes, and had %d when the server stopped", size, was.Size),
			}
		}
	}
	return nil
}
