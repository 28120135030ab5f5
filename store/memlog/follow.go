package memlog

import (
	"context"
	"fmt"

	"github.com/omnirelay/omnirelay/store"
)

// followBatch bounds the messages that a Follow takes under one lock.
const followBatch = 256

// Messages returns up to limit stored messages from a sequence on; none when
// there is none. It is Follow for a caller that must not wait.
func (l *Log) Messages(from uint64, limit int) []store.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slice(from, limit)
}

func (l *Log) slice(from uint64, limit int) []store.Message {
	from = max(from, 1)
	var out []store.Message
	for s := from; s <= uint64(len(l.messages)) && len(out) < limit; s++ {
		out = append(out, store.Message{Sequence: s, Data: l.messages[s-1]})
	}
	return out
}

// Follow implements [store.Log]. It also ends with [ErrCrashed] at a Crash, and
// with store.ErrLogTruncated when what it has already seen is cut off.
func (l *Log) Follow(ctx context.Context, from uint64, fn func(store.Message) error) error {
	next := max(from, 1)
	l.mu.Lock()
	crashes := l.crashes
	delivered := false
	l.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		l.mu.Lock()
		crashed, last := l.crashes != crashes, uint64(len(l.messages))
		batch, changed := l.slice(next, followBatch), l.changed
		l.mu.Unlock()
		switch {
		case crashed:
			return ErrCrashed
		case delivered && last < next-1:
			return fmt.Errorf("memlog: follow: %w: the last message is %d, message %d was delivered",
				store.ErrLogTruncated, last, next-1)
		case len(batch) == 0:
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
		for _, m := range batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(m); err != nil {
				return err
			}
			next, delivered = m.Sequence+1, true
		}
	}
}
