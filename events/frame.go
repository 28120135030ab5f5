package events

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Recorded is an event with what the log says about it: the input of evolve
// and of every table.
type Recorded struct {
	// Position of the event itself.
	Position Position
	// Decision is the last position of the event's decision: the only positions
	// that receipts, lists and bookmarks speak of.
	Decision Position
	// Time of the frame, Unix nanoseconds.
	Time  int64
	Meta  *eventsv1.Meta
	Event *eventsv1.Event
}

// Head is the end of a verified log: what the next frame must continue. The
// zero Head is an empty log.
type Head struct {
	LogID LogID
	Era   uint64
	// Position of the last event.
	Position Position
	// Hash of the stored bytes of the last frame.
	Hash Hash
	// Time of the last frame, Unix nanoseconds.
	Time int64
}

// ChainError says that bytes do not continue a log. It names the position at
// which a frame was expected.
type ChainError struct {
	Position Position
	Problem  string
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("log chain broken at position %d: %s", e.Position, e.Problem)
}

// ErrFrameTooLarge says that a frame or decision is over [MaxFrameBytes] or
// [MaxFrameEvents].
var ErrFrameTooLarge = errors.New("frame is over the limit")

// HashOf is the hash that the next frame carries of this frame's stored bytes.
func HashOf(stored []byte) Hash { return sha256.Sum256(stored) }

// Marshal encodes a frame for storage. The bytes are the frame from then on.
// It fails with [ErrFrameTooLarge] when they are over the limit.
func Marshal(f *eventsv1.Frame) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("marshal frame at position %d: %w", f.GetFirst(), err)
	}
	if len(b) > MaxFrameBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, len(b), MaxFrameBytes)
	}
	return b, nil
}

// HeadOf is the head of the log after stored bytes, taken from them alone: what
// follows is verified against it, they are not verified themselves.
func HeadOf(stored []byte) (Head, error) {
	f := &eventsv1.Frame{}
	if err := proto.Unmarshal(stored, f); err != nil {
		return Head{}, fmt.Errorf("frame does not decode: %w", err)
	}
	id, err := ParseLogID(f.LogId)
	if err != nil {
		return Head{}, err
	}
	return Head{
		LogID: id, Era: f.Era, Hash: HashOf(stored), Time: f.Time,
		Position: Position(f.First) + Position(CountEvents(f)) - 1,
	}, nil
}

// Next verifies that stored bytes continue the log at h, and returns the
// decoded frame (events upcast) and the head after it. The error is a
// [*ChainError]; h is then still the last good head.
func (h Head) Next(stored []byte) (*eventsv1.Frame, Head, error) {
	f := &eventsv1.Frame{}
	if err := proto.Unmarshal(stored, f); err != nil {
		return nil, h, h.broken("frame does not decode: " + err.Error())
	}
	next, err := h.follow(f, HashOf(stored))
	if err != nil {
		return nil, h, err
	}
	for _, d := range f.Decisions {
		for i, e := range d.Events {
			d.Events[i] = upcast(e)
		}
	}
	return f, next, nil
}

// After returns the head after a stored frame. It verifies that the frame is the next
// one, see [Head.Next]; the zero head, before which nothing is known, takes it at its
// word, see [HeadOf].
func (h Head) After(stored []byte) (Head, error) {
	if h == (Head{}) {
		return HeadOf(stored)
	}
	_, next, err := h.Next(stored)
	return next, err
}

func (h Head) follow(f *eventsv1.Frame, hash Hash) (Head, error) {
	id, err := ParseLogID(f.LogId)
	if err != nil {
		return h, h.broken(err.Error())
	}
	n := CountEvents(f)
	switch {
	case n == 0:
		return h, h.broken("frame holds no event")
	case n > MaxFrameEvents:
		return h, h.broken(fmt.Sprintf("frame holds %d events, at most %d", n, MaxFrameEvents))
	case f.First > MaxPosition-uint64(n):
		return h, h.broken(fmt.Sprintf("frame starts at position %d, and positions end at %d", f.First, uint64(MaxPosition)))
	case h.Position == 0 && len(f.PrevHash) != 0:
		return h, h.broken("first frame names a frame before it")
	case h.Position != 0 && id != h.LogID:
		return h, h.broken(fmt.Sprintf("frame is of log %s, this is log %s", id, h.LogID))
	case h.Position != 0 && string(f.PrevHash) != string(h.Hash[:]):
		return h, h.broken(fmt.Sprintf("previous hash is %x, the frame before has %s", f.PrevHash, h.Hash))
	case f.Time < h.Time:
		return h, h.broken(fmt.Sprintf("time runs backwards: %d after %d", f.Time, h.Time))
	}
	if err := h.followPosition(f); err != nil {
		return h, err
	}
	return Head{LogID: id, Era: f.Era, Position: Position(f.First) + Position(n) - 1, Hash: hash, Time: f.Time}, nil
}

// followPosition allows a hole in the positions only where an EraStarted
// declares it.
func (h Head) followPosition(f *eventsv1.Frame) error {
	started := firstEvent(f).GetEraStarted()
	if h.Position == 0 && (started == nil || f.First != 1 || f.Era != 1) {
		return h.broken(fmt.Sprintf("frame of era %d at position %d does not begin a log; that is EraStarted of era 1 at position 1", f.Era, f.First))
	}
	if f.Era == h.Era && started == nil {
		if f.First != uint64(h.Position)+1 {
			return h.broken(fmt.Sprintf("frame starts at position %d", f.First))
		}
		return nil
	}
	switch {
	case started == nil:
		return h.broken(fmt.Sprintf("era %d follows era %d without an EraStarted", f.Era, h.Era))
	case f.Era <= h.Era:
		return h.broken(fmt.Sprintf("era %d starts after era %d", f.Era, h.Era))
	case started.Era != f.Era || started.Next != f.First || started.RestoredPosition != uint64(h.Position):
		return h.broken("EraStarted does not match its frame")
	case f.First <= uint64(h.Position):
		return h.broken(fmt.Sprintf("era starts at position %d", f.First))
	}
	return nil
}

func firstEvent(f *eventsv1.Frame) *eventsv1.Event {
	for _, d := range f.Decisions {
		for _, e := range d.Events {
			return e
		}
	}
	return nil
}

func (h Head) broken(problem string) error {
	return &ChainError{Position: h.Position + 1, Problem: problem}
}

// CountEvents counts the events of all decisions of a frame.
func CountEvents(f *eventsv1.Frame) int {
	n := 0
	for _, d := range f.GetDecisions() {
		n += len(d.Events)
	}
	return n
}

// Each calls fn for every event of a frame in order. It stops at the first
// error and returns it.
func Each(f *eventsv1.Frame, fn func(Recorded) error) error {
	at := Position(f.First)
	for _, d := range f.Decisions {
		last := at + Position(len(d.Events)) - 1
		for _, e := range d.Events {
			if err := fn(Recorded{Position: at, Decision: last, Time: f.Time, Meta: d.Meta, Event: e}); err != nil {
				return err
			}
			at++
		}
	}
	return nil
}
