package sequencer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

// The outcomes as they are sent: append only. One that is not known here is of a
// newer leader, and says nothing of the effect.
const (
	sentDone uint8 = iota
	sentRejected
	sentOverloaded
	sentNotLeader
	sentNewerRelease
	sentUnknown
	sentLogFull
	sentUntried // the time of the batch was over before it was decided
	sentOlderLeader
)

// wireAnswer is a receipt or an error.
type wireAnswer struct {
	Outcome   uint8          `cbor:"1,keyasint,omitempty"`
	Position  uint64         `cbor:"2,keyasint,omitempty"`
	Time      int64          `cbor:"3,keyasint,omitempty"`
	Replayed  bool           `cbor:"4,keyasint,omitempty"`
	DryRun    bool           `cbor:"5,keyasint,omitempty"`
	Events    [][]byte       `cbor:"6,keyasint,omitempty"`
	EventsCut bool           `cbor:"7,keyasint,omitempty"`
	Rejected  *wireRejection `cbor:"8,keyasint,omitempty"`
	// Text of an error, for people.
	Text string `cbor:"9,keyasint,omitempty"`

	// receipt keeps the events, to cut them; it is not sent.
	receipt commands.Receipt
}

// wireRejection is a commands.Rejected.
type wireRejection struct {
	Kind           uint8  `cbor:"1,keyasint,omitempty"`
	Reason         string `cbor:"2,keyasint,omitempty"`
	Message        string `cbor:"3,keyasint,omitempty"`
	Field          string `cbor:"4,keyasint,omitempty"`
	Allowed        string `cbor:"5,keyasint,omitempty"`
	CurrentVersion uint64 `cbor:"6,keyasint,omitempty"`
	LogTime        int64  `cbor:"7,keyasint,omitempty"`
}

func answerOf(r commands.Receipt, err error) wireAnswer {
	if err != nil { // a rejection comes with the position that it was decided at
		a := failureOf(err)
		a.Position, a.Time = uint64(r.Position), r.Time
		return a
	}
	a := wireAnswer{
		Position: uint64(r.Position), Time: r.Time, Replayed: r.Replayed, DryRun: r.DryRun, EventsCut: r.EventsCut, receipt: r,
	}
	for _, e := range r.Events {
		b, err := proto.Marshal(e)
		if err != nil { // the command is done all the same
			a.cutEvents(MaxMessage)
			break
		}
		a.Events = append(a.Events, b)
	}
	return a
}

func failureOf(err error) wireAnswer {
	var r *commands.Rejected
	a := wireAnswer{Outcome: sentUnknown, Text: err.Error()} // what else went wrong says nothing of the effect
	switch {
	case errors.As(err, &r):
		return wireAnswer{Outcome: sentRejected, Rejected: &wireRejection{Kind: uint8(r.Kind), Reason: r.Reason,
			Message: r.Message, Field: r.Field, Allowed: r.Allowed, CurrentVersion: r.CurrentVersion, LogTime: r.LogTime}}
	case errors.Is(err, ErrOutcomeUnknown): // first: it may wrap any cause
	case errors.Is(err, ErrOverloaded):
		a.Outcome = sentOverloaded
	case errors.Is(err, ErrNotLeader):
		a.Outcome = sentNotLeader
	case errors.Is(err, ErrNewerRelease):
		a.Outcome = sentNewerRelease
	case errors.Is(err, ErrOlderLeader):
		a.Outcome = sentOlderLeader
	case errors.Is(err, store.ErrLogFull):
		a.Outcome = sentLogFull
	case errors.Is(err, context.DeadlineExceeded):
		a.Outcome = sentUntried
	case errors.Is(err, context.Canceled): // the leader stops: its caller here goes on
		a.Outcome = sentNotLeader
	}
	return a
}

// result is what the caller gets: errors.Is and errors.As find in it what they
// would find on the leader.
func (a wireAnswer) result(leader string) (commands.Receipt, error) {
	at := commands.Receipt{Position: events.Position(a.Position), Time: a.Time}
	sentinel := ErrOutcomeUnknown
	switch a.Outcome {
	case sentDone:
		return a.receiptOf(leader)
	case sentRejected:
		if r := a.Rejected; r != nil {
			return at, &commands.Rejected{Kind: commands.Kind(r.Kind), Reason: r.Reason, Message: r.Message,
				Field: r.Field, Allowed: r.Allowed, CurrentVersion: r.CurrentVersion, LogTime: r.LogTime}
		}
	case sentOverloaded:
		sentinel = ErrOverloaded
	case sentNotLeader:
		sentinel = ErrNotLeader
	case sentNewerRelease:
		sentinel = ErrNewerRelease
	case sentLogFull:
		sentinel = store.ErrLogFull
	case sentOlderLeader:
		sentinel = ErrOlderLeader
	case sentUntried:
		return at, fmt.Errorf("command was not tried by %s: %w", leader, context.DeadlineExceeded)
	}
	if a.Text == "" || a.Text == sentinel.Error() {
		return at, fmt.Errorf("%w (%s)", sentinel, leader)
	}
	return at, fmt.Errorf("%w (%s: %s)", sentinel, leader, strings.TrimPrefix(a.Text, sentinel.Error()+": "))
}

func (a wireAnswer) receiptOf(leader string) (commands.Receipt, error) {
	r := commands.Receipt{
		Position: events.Position(a.Position), Time: a.Time, Replayed: a.Replayed, DryRun: a.DryRun, EventsCut: a.EventsCut,
	}
	for i, b := range a.Events {
		e := &eventsv1.Event{}
		if err := proto.Unmarshal(b, e); err != nil { // the leader says done: the answer is damaged, the effect is not
			return commands.Receipt{}, fmt.Errorf("%w: event %d in the receipt of %s: %w", ErrOutcomeUnknown, i, leader, err)
		}
		r.Events = append(r.Events, e)
	}
	return r, nil
}

// answerOverhead is more than the bytes of an answer beside its events and texts.
const answerOverhead = 96

// size is at least the bytes of the answer.
func (a *wireAnswer) size() int {
	n := answerOverhead + len(a.Text)
	for _, e := range a.Events {
		n += len(e) + 5
	}
	if r := a.Rejected; r != nil {
		n += answerOverhead + len(r.Reason) + len(r.Message) + len(r.Field) + len(r.Allowed)
	}
	return n
}

// fit cuts the largest answers until all fit into a message together: each keeps
// at least an equal share, in which every outcome finds room.
func fit(answers []wireAnswer) {
	total := 0
	bySize := make([]*wireAnswer, len(answers))
	for i := range answers {
		bySize[i] = &answers[i]
		total += answers[i].size()
	}
	const room = MaxMessage - 4<<10 // what is around the answers, and the barrier
	if total <= room {
		return
	}
	slices.SortFunc(bySize, func(a, b *wireAnswer) int { return b.size() - a.size() })
	share := room / len(answers)
	for _, a := range bySize {
		if total <= room {
			return
		}
		total -= a.size()
		a.cut(share)
		total += a.size()
	}
}

// cut brings the answer down to so many bytes.
func (a *wireAnswer) cut(bytes int) {
	if a.size() <= bytes {
		return
	}
	if len(a.Events) > 0 {
		a.cutEvents(bytes - answerOverhead)
	}
	text := (bytes - 2*answerOverhead) / 5
	a.Text = shorter(a.Text, text)
	if r := a.Rejected; r != nil {
		r.Message, r.Reason = shorter(r.Message, text), shorter(r.Reason, text)
		r.Field, r.Allowed = shorter(r.Field, text), shorter(r.Allowed, text)
	}
}

// cutEvents leaves the types of the first events, as many as the bytes hold.
func (a *wireAnswer) cutEvents(bytes int) {
	a.Events, a.EventsCut = nil, true
	for _, e := range a.receipt.Events {
		b, err := proto.Marshal(typeOnly(e))
		if bytes -= len(b) + 5; err != nil || bytes < 0 {
			return
		}
		a.Events = append(a.Events, b)
	}
}

// typeOnly is an event of the same type without content.
func typeOnly(e *eventsv1.Event) *eventsv1.Event {
	from, to := e.ProtoReflect(), (&eventsv1.Event{}).ProtoReflect()
	if kind := from.WhichOneof(from.Descriptor().Oneofs().ByName("kind")); kind != nil {
		to.Set(kind, to.NewField(kind))
	}
	return to.Interface().(*eventsv1.Event)
}

// shorter cuts a text to so many bytes, and says so.
func shorter(s string, bytes int) string {
	const mark = " …"
	if len(s) <= bytes {
		return s
	}
	return strings.ToValidUTF8(s[:max(0, bytes-len(mark))], "") + mark
}
