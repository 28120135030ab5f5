package natslog

import (
	"context"
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// headerBytes is about what the expectation takes as a header.
const headerBytes = 64

// Publish implements [store.Log]. data belongs to the store from then on and must
// not be changed, whatever Publish returns: recent frames are handed to followers
// as they are.
func (s *Store) Publish(ctx context.Context, expect uint64, data []byte) error {
	if len(data) > events.MaxFrameBytes {
		return fmt.Errorf("natslog: publish after message %d: %w: %d bytes, at most %d",
			expect, events.ErrFrameTooLarge, len(data), events.MaxFrameBytes)
	}
	if err := s.usable(ctx); err != nil {
		return fmt.Errorf("natslog: publish after message %d: %w", expect, err)
	}
	if n := s.short.Load(); n > 0 {
		return fmt.Errorf("natslog: publish after message %d: %w: %d messages are missing", expect, store.ErrLogTruncated, n)
	}
	a, err := s.requests.publish(ctx, publication{subject: s.cfg.logSubject(), expect: expect, data: data}, s.cfg.ackTimeout())
	if err == nil && a.Sequence != expect+1 {
		err = fmt.Errorf("%w: stored at %d", ErrNoAck, a.Sequence)
	}
	if err != nil {
		s.lookAtEnd()
		return fmt.Errorf("natslog: publish after message %d: %w", expect, s.explain(err, len(data)))
	}
	s.used.Add(jsfile.RecordBytes(s.cfg.logSubject(), headerBytes, len(data)))
	s.tail.add(store.Message{Sequence: expect + 1, Data: data})
	s.notify(expect+1, data)
	return nil
}

// explain tells a full log from a broken disk: both fail the store operation of
// JetStream, with one code.
func (s *Store) explain(err error, payload int) error {
	if codeOf(err) != codeStoreFailed {
		return translate(err)
	}
	if s.used.Load()+jsfile.RecordBytes(s.cfg.logSubject(), 2*headerBytes, payload) > s.cfg.MaxLogBytes {
		return fmt.Errorf("%w: %w", store.ErrLogFull, err)
	}
	return err
}

// usable refuses before anything is sent, so that the outcome is known.
func (s *Store) usable(ctx context.Context) error {
	if s.closed() {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Usage is how much of its bound the log takes.
type Usage struct {
	Bytes, MaxBytes int64
}

// Full tells that only the reserve of 5 % is left, which is for the system's own
// frames: ordinary commands are to be refused with store.ErrLogFull. JetStream
// itself refuses only at MaxBytes.
func (u Usage) Full() bool { return u.Bytes >= u.MaxBytes/100*95 }

// Usage returns how full the log is, without asking the server: what it was at
// Open and what this process has published since, headers rounded up. It costs
// nothing and may be asked before every frame.
func (s *Store) Usage() Usage {
	return Usage{Bytes: s.used.Load(), MaxBytes: s.cfg.MaxLogBytes}
}
