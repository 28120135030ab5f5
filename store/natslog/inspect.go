package natslog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/store"
)

// inspection is what the block files say before the server may touch them.
type inspection struct {
	last uint64 // sequence of the last whole message
	// unread are the blocks that were not read, because the last stop was clean
	// and they look as they did then; the messages from read on were.
	unread []block
	read   uint64
}

// inspect verifies the log's files and changes nothing. floor is the sequence
// that must be there. stop is what the last clean stop left, nil when the last
// stop was not clean; then all blocks are read, and a record may be torn at the
// very end, above floor.
func (b blockFiles) inspect(floor uint64, stop *stopMark) (inspection, error) {
	blocks, err := b.list()
	if err != nil {
		return inspection{}, err
	}
	if stop != nil {
		floor = max(floor, stop.Last)
	}
	w := &walker{files: b, next: 1, floor: floor}
	unread, err := b.skip(blocks, stop, w)
	if err != nil {
		return inspection{}, err
	}
	read := w.next
	if err := w.walkAll(blocks[len(unread):]); err != nil {
		return inspection{}, b.locate(blocks, err, floor)
	}
	if last := w.next - 1; last < floor {
		return inspection{}, b.truncated(blocks, w, floor)
	}
	if err := b.shrunk(stop, blocks, w); err != nil {
		return inspection{}, err
	}
	return inspection{last: w.next - 1, unread: unread, read: read}, nil
}

// locate reads all blocks again from the start when an error was found without
// what lies before, which the position is known from.
func (b blockFiles) locate(blocks []block, found error, floor uint64) error {
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
// checksum then. The window is dedupeWindow; the rest is for clocks.
const recent = time.Minute

// skip returns the blocks that a clean stop vouches for, and sets the walker to
// what follows them. The last block and recent ones are always read.
func (b blockFiles) skip(blocks []block, stop *stopMark, w *walker) ([]block, error) {
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

func (b blockFiles) truncated(blocks []block, w *walker, floor uint64) error {
	e := &CorruptError{
		File: b.dir, Offset: -1, Sequence: w.next, Position: w.position(), Err: store.ErrLogTruncated,
		Problem: fmt.Sprintf("the log ends at message %d, message %d was stored", w.next-1, floor),
	}
	if len(blocks) > 0 {
		last := blocks[len(blocks)-1]
		e.File, e.Offset = b.path(last.Index), last.Size
	}
	return e
}

// shrunk reports a file that is shorter than a clean stop left it, or gone. The
// mark of a replica does not say how far the log reaches, but nobody writes its
// files while it is down.
func (b blockFiles) shrunk(stop *stopMark, blocks []block, w *walker) error {
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
				File: b.path(was.Index), Offset: size, Sequence: w.next, Position: w.position(), Err: store.ErrLogTruncated,
				Problem: fmt.Sprintf("the file has %d bytes, and had %d when the server stopped", size, was.Size),
			}
		}
	}
	return nil
}

// unreadBlocks are those that no walk has verified since Open. They are verified
// before the server reads them, because it truncates a damaged file also when it
// reads it later (filestore.go, loadMsgsWithLock).
type unreadBlocks struct {
	files blockFiles

	mu     sync.Mutex
	blocks []unreadBlock // in order, not overlapping
}

// unreadBlock holds the messages first to next-1.
type unreadBlock struct {
	index       uint32
	first, next uint64
}

// newUnread finds which messages the unread blocks hold. read is the sequence of
// the first message after them.
func newUnread(files blockFiles, blocks []block, read uint64) (*unreadBlocks, error) {
	u := &unreadBlocks{files: files}
	for _, b := range blocks {
		first, err := files.first(b.Index)
		if err != nil {
			return nil, err
		}
		if n := len(u.blocks); n > 0 {
			u.blocks[n-1].next = first
		}
		u.blocks = append(u.blocks, unreadBlock{index: b.Index, first: first, next: read})
	}
	return u, nil
}

// verify reads the unread blocks that hold messages from a sequence to another,
// both included. Two calls may read one block twice; none waits for the other.
func (u *unreadBlocks) verify(from, to uint64) error {
	for _, b := range u.overlapping(from, to) {
		w := &walker{files: u.files, next: b.first, floor: math.MaxUint64}
		if b.index == 1 {
			w.next = 1
		}
		err := w.walk(b.index, false)
		if err == nil && w.next != b.next {
			err = w.damage(u.files.path(b.index), -1, fmt.Sprintf("the next block starts at message %d", b.next))
		}
		if err != nil {
			return u.locate(err)
		}
		u.done(b.index)
	}
	return nil
}

func (u *unreadBlocks) locate(found error) error {
	blocks, err := u.files.list()
	if err != nil {
		return errors.Join(found, err)
	}
	return u.files.locate(blocks, found, math.MaxUint64)
}

func (u *unreadBlocks) overlapping(from, to uint64) []unreadBlock {
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

func (u *unreadBlocks) done(index uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.blocks = slices.DeleteFunc(u.blocks, func(b unreadBlock) bool { return b.index == index })
}
