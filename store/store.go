package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Message is a stored frame with the sequence that the store gave it.
type Message struct {
	Sequence uint64
	Data     []byte
}

// Log is the log of one cluster and era, as the store keeps it. All methods
// are safe for concurrent use.
type Log interface {
	// Publish asks once that data be stored at sequence expect+1. It returns nil
	// if and only if data is durably stored there.
	Publish(ctx context.Context, expect uint64, data []byte) error
	// Load returns the message at a sequence, or [ErrNotFound]. Not found proves
	// nothing while a Publish may be under way.
	Load(ctx context.Context, sequence uint64) (Message, error)
	// Follow calls fn with every message from a sequence on, in order and
	// without a gap, those that are stored later included, until ctx ends or fn
	// fails; it returns that error. fn may keep the data.
	Follow(ctx context.Context, from uint64, fn func(Message) error) error
	// Last returns the sequence of the last stored message, 0 when there is none.
	Last(ctx context.Context) (uint64, error)
}

// Register keeps one small message under whole-register expectation: the
// control leader's proof of leadership. All methods are safe for concurrent use.
type Register interface {
	// Write replaces the message if its version is expect, and returns the new
	// version. [ErrWrongSequence] is definite here: nothing was written. Any
	// other error leaves the outcome open.
	Write(ctx context.Context, expect uint64, data []byte) (version uint64, err error)
	// Read returns the message and its version; version 0 when there is none.
	Read(ctx context.Context) (version uint64, data []byte, err error)
}

// Mark is a verified place on a stored log: the head of the chain and the
// sequence of the message that holds it.
type Mark struct {
	events.Head
	Sequence uint64
}

// Verify returns the frame of a message that is the next one after the mark, and the
// mark of that. One of another sequence is [ErrGap], one that does not continue the
// chain an [events.ChainError].
func (m Mark) Verify(msg Message) (*eventsv1.Frame, Mark, error) {
	if msg.Sequence != m.Sequence+1 {
		return nil, m, fmt.Errorf("%w: message %d follows message %d (position %d)", ErrGap, msg.Sequence, m.Sequence, m.Position)
	}
	frame, head, err := m.Next(msg.Data)
	if err != nil {
		return nil, m, fmt.Errorf("message %d: %w", msg.Sequence, err)
	}
	return frame, Mark{Head: head, Sequence: msg.Sequence}, nil
}

var (
	// ErrNotFound: no message at that sequence (now).
	ErrNotFound = errors.New("message not found")
	// ErrWrongSequence: the store says that its last sequence is another.
	ErrWrongSequence = errors.New("wrong last sequence")
	// ErrGap: messages do not follow each other.
	ErrGap = errors.New("gap in the log")
	// ErrUnavailable: whoever keeps the log does not answer now; asking again may
	// help.
	ErrUnavailable = errors.New("log_unavailable: the log does not answer now")
	// ErrLogFull: the log has reached its size limit (503 log_full).
	ErrLogFull = errors.New("log_full: the log has reached its size limit")
	// ErrLogMissing: the directory had a log, and it is gone.
	ErrLogMissing = errors.New("log_missing: this directory had a log, and it is not there")
	// ErrLogTruncated: the log ends before what was known to be stored.
	ErrLogTruncated = errors.New("log_truncated: the log ends before what was known to be stored")
	// ErrLocked: another process uses the directory.
	ErrLocked = errors.New("data directory is in use by another process")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
)
