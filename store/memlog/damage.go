package memlog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/omnirelay/omnirelay/store"
)

// Pending is a publish that was [Delayed]: nobody knows of it, and it may still
// be stored.
type Pending struct {
	ID     uint64
	Expect uint64
	Data   []byte
}

// Delayed returns the waiting publishes, the oldest first.
func (l *Log) Delayed() []Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.delayed)
}

// Deliver lets a delayed publish arrive now. It is stored if its expectation
// holds at this moment; the error is what its caller would have been told, or
// store.ErrNotFound when nothing with that id waits.
func (l *Log) Deliver(id uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.take(id)
	if !ok {
		return fmt.Errorf("memlog: deliver publish %d: %w", id, store.ErrNotFound)
	}
	return l.store(p.Expect, p.Data)
}

// Drop loses a delayed publish for good. It reports whether it was waiting.
func (l *Log) Drop(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.take(id)
	return ok
}

func (l *Log) take(id uint64) (Pending, bool) {
	i := slices.IndexFunc(l.delayed, func(p Pending) bool { return p.ID == id })
	if i < 0 {
		return Pending{}, false
	}
	p := l.delayed[i]
	l.delayed = slices.Delete(l.delayed, i, i+1)
	return p, true
}

// Crash ends every Follow and loses what was delayed. All messages are kept:
// stored means on disk.
func (l *Log) Crash() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crashes++
	l.delayed = nil
	l.wake()
}

// Truncate loses all messages after last, as a store that cuts a damaged file
// does. It does nothing when there are none.
func (l *Log) Truncate(last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last >= uint64(len(l.messages)) {
		return
	}
	for _, data := range l.messages[last:] {
		l.size -= uint64(len(data))
	}
	// A new slice: what is published next must not share memory with what was lost.
	l.messages = slices.Clone(l.messages[:last])
	l.wake()
}

// Corrupt inverts all bits of one byte of a stored message. The message must
// exist and have that byte.
func (l *Log) Corrupt(sequence uint64, at int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sequence == 0 || sequence > uint64(len(l.messages)) {
		return fmt.Errorf("memlog: corrupt message %d: %w", sequence, store.ErrNotFound)
	}
	data := bytes.Clone(l.messages[sequence-1])
	if at < 0 || at >= len(data) {
		return fmt.Errorf("memlog: corrupt message %d: no byte %d, it has %d", sequence, at, len(data))
	}
	data[at] ^= 0xff
	l.messages[sequence-1] = data
	return nil
}
