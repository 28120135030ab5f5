package memlog

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// Log is a [store.Log] in memory.
type Log struct {
	mu       sync.Mutex
	faults   Faults
	messages [][]byte // message s is at s-1
	limit    uint64   // bytes that may be stored; 0: no limit
	size     uint64   // bytes that are stored
	delayed  []Pending
	nextID   uint64
	crashes  uint64        // Crash calls so far; a Follow of an earlier one ends
	changed  chan struct{} // closed when a waiting Follow must look again
}

// New returns an empty log.
func New(faults Faults) *Log {
	return &Log{faults: faults, changed: make(chan struct{})}
}

// SetFaults replaces what goes wrong from the next call on.
func (l *Log) SetFaults(faults Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = faults
}

// SetLimit bounds the stored bytes; a publish beyond answers ErrLogFull. 0 means
// no bound. What is stored stays.
func (l *Log) SetLimit(limit uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
}

// Publish implements [store.Log].
func (l *Log) Publish(ctx context.Context, expect uint64, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memlog: publish after %d: %w", expect, err)
	}
	return l.TryPublish(expect, data)
}

// TryPublish is Publish without a context: it never waits.
func (l *Log) TryPublish(expect uint64, data []byte) error {
	if len(data) > events.MaxFrameBytes {
		return fmt.Errorf("memlog: publish after %d: %w: %d bytes, at most %d",
			expect, events.ErrFrameTooLarge, len(data), events.MaxFrameBytes)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.faults.of(Op{Kind: KindPublish, Sequence: expect, Data: data}) {
	case AckLost:
		_ = l.store(expect, data) // whatever came of it, nobody hears
		return ErrNoAck
	case Lost:
		return ErrNoAck
	case Delayed:
		l.nextID++
		l.delayed = append(l.delayed, Pending{ID: l.nextID, Expect: expect, Data: bytes.Clone(data)})
		return ErrNoAck
	case SpuriousRefusal:
		return fmt.Errorf("memlog: publish after %d: %w", expect, store.ErrWrongSequence)
	case Full:
		return fmt.Errorf("memlog: publish after %d: %w", expect, store.ErrLogFull)
	}
	return l.store(expect, data)
}

// store appends under the expectation. The log is locked.
func (l *Log) store(expect uint64, data []byte) error {
	if last := uint64(len(l.messages)); last != expect {
		return fmt.Errorf("memlog: publish after %d: %w: the last message is %d", expect, store.ErrWrongSequence, last)
	}
	if l.limit > 0 && l.size+uint64(len(data)) > l.limit {
		return fmt.Errorf("memlog: publish after %d: %w: %d of %d bytes are used", expect, store.ErrLogFull, l.size, l.limit)
	}
	l.messages = append(l.messages, bytes.Clone(data))
	l.size += uint64(len(data))
	l.wake()
	return nil
}

// Load implements [store.Log].
func (l *Log) Load(ctx context.Context, sequence uint64) (store.Message, error) {
	if err := ctx.Err(); err != nil {
		return store.Message{}, fmt.Errorf("memlog: load message %d: %w", sequence, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults.of(Op{Kind: KindLoad, Sequence: sequence}) != None {
		return store.Message{}, ErrNoAck
	}
	if sequence == 0 || sequence > uint64(len(l.messages)) {
		return store.Message{}, fmt.Errorf("memlog: load message %d: %w", sequence, store.ErrNotFound)
	}
	return store.Message{Sequence: sequence, Data: l.messages[sequence-1]}, nil
}

// Last implements [store.Log].
func (l *Log) Last(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("memlog: last sequence: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults.of(Op{Kind: KindLast}) != None {
		return 0, ErrNoAck
	}
	return uint64(len(l.messages)), nil
}

// wake lets every waiting Follow look again. The log is locked.
func (l *Log) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}
