package natslog

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// What a server follows comes from the leader of the log, or from a notice; what
// it keeps is its own copy. Both are compared: the newest message that was anchored
// must be in this server's files, with the same hash, within Config.ReplicaWithin.

// replicaLooks is how many times within ReplicaWithin the files are looked at.
const replicaLooks = 4

// troubles are what keeps a store from being trusted with its part of the log, for
// whoever asks whether this server is ready.
type troubles struct {
	mu     sync.Mutex
	behind string // this server's copy is behind
	short  string // the log ends before what was stored
}

// Trouble says what is wrong with the log or with this server's copy of it; "" when
// nothing is. The server is to be counted as not ready while something is.
func (s *Store) Trouble() string {
	t := &s.troubles
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.short != "" {
		return t.short
	}
	return t.behind
}

// tellBehind keeps what to say of this server's copy, and logs what changes from
// nothing to something or back.
func (s *Store) tellBehind(what string) {
	s.tell(&s.troubles.behind, what, "this server's copy of the log is up to date again")
}

func (s *Store) tellShort(what string) {
	s.tell(&s.troubles.short, what, "the log reaches what was stored again")
}

func (s *Store) tell(place *string, what, over string) {
	s.troubles.mu.Lock()
	before := *place
	*place = what
	s.troubles.mu.Unlock()
	switch {
	case before == "" && what != "":
		s.cfg.logger().Error(what)
	case before != "" && what == "":
		s.cfg.logger().Info(over)
	}
}

// watchReplica compares this server's copy with what was anchored until ctx ends or
// it holds another message.
func (s *Store) watchReplica(ctx context.Context) error {
	var (
		wanted store.Mark // to be found
		since  time.Time
		look   = finder{files: s.files}
	)
	for {
		if s.wait(ctx, time.After(s.cfg.ReplicaWithin/replicaLooks)) != nil {
			return nil
		}
		if wanted.Sequence == 0 {
			wanted, _ = s.anchor.get()
			since = time.Now()
		}
		if wanted.Sequence == 0 {
			continue
		}
		hash, last, err := look.hashOf(wanted.Sequence)
		switch {
		case err != nil:
			s.cfg.logger().Debug("this server's copy of the log cannot be read now", "error", err)
		case last >= wanted.Sequence && hash != wanted.Hash:
			// The file may have been written anew between two reads.
			if again, _, err := (&finder{files: s.files}).hashOf(wanted.Sequence); err == nil && again == hash {
				return &CorruptError{
					File: s.files.dir, Offset: -1, Sequence: wanted.Sequence, Position: wanted.Position, Err: ErrCorrupt,
					Problem: fmt.Sprintf("this server's copy has a message of hash %s, the log has %s", hash, wanted.Hash),
				}
			}
		case last >= wanted.Sequence:
			wanted = store.Mark{}
			s.metrics.replicaLag.Set(0)
			s.tellBehind("")
		case time.Since(since) >= s.cfg.ReplicaWithin:
			s.metrics.replicaLag.Set(float64(wanted.Sequence - last))
			s.tellBehind(fmt.Sprintf("this server's copy of the log ends at message %d, and message %d (position %d) was followed", last, wanted.Sequence, wanted.Position))
		}
	}
}

// finder finds messages in block files, in rising order, and reads on from where
// the last one was.
type finder struct {
	files blockFiles

	index  uint32 // of the block that was read; 0: none
	offset int64  // behind the last whole record there
	last   uint64 // its sequence
	hash   events.Hash
}

// hashOf returns the hash of a message's bytes, and how far the files reach; the
// hash says nothing unless they reach the message.
func (f *finder) hashOf(sequence uint64) (hash events.Hash, last uint64, err error) {
	blocks, err := f.files.list()
	if err != nil {
		return hash, 0, err
	}
	if f.last >= sequence || !f.resumes(blocks) {
		*f = finder{files: f.files}
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
func (f *finder) resumes(blocks []block) bool {
	for _, b := range blocks {
		if b.Index == f.index {
			return b.Size >= f.offset
		}
	}
	return false
}

// holding are the blocks from the one that was read on, or from the one that holds
// the message.
func (f *finder) holding(blocks []block, sequence uint64) []block {
	from := 0
	for i, b := range blocks {
		if b.Index < f.index {
			from = i + 1
			continue
		}
		if first, err := f.files.first(b.Index); err == nil && first != 0 && first <= sequence {
			from = i
		}
	}
	return blocks[from:]
}

// read reads on in the block, up to a message, and verifies that one's checksum.
func (f *finder) read(sequence uint64) error {
	file, err := os.Open(f.files.path(f.index))
	if err != nil {
		return fmt.Errorf("natslog: read block: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	d, err := newDigester(f.files.stream, f.index)
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
			return fmt.Errorf("natslog: a record in %s at byte %d claims a length of %d bytes", file.Name(), f.offset, length)
		}
		at := binary.LittleEndian.Uint64(head[4:])
		if at >= sequence {
			buf := make([]byte, length)
			if n, _ := file.ReadAt(buf, f.offset); n < len(buf) {
				return nil // being written
			}
			r, problem := d.parse(buf)
			if problem != "" {
				return fmt.Errorf("natslog: %s at byte %d: %s", file.Name(), f.offset, problem)
			}
			f.hash = events.HashOf(r.payload)
		}
		f.last = at
		f.offset += length
	}
	return nil
}
