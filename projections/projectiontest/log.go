package projectiontest

import (
	"context"
	"testing"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// TB is what the harness needs of testing.T and of rapid.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

var _ TB = (*testing.T)(nil)

// Log is a log in memory that frames are appended to.
type Log struct {
	*memlog.Log
	Head     events.Head
	sequence uint64
	time     int64
}

// NewLog returns a log with its era.
func NewLog(tb TB) *Log {
	tb.Helper()
	l := &Log{Log: memlog.New(nil), time: 1_700_000_000_000_000_000}
	l.Append(tb, Decide("node/s1", &eventsv1.Event{Kind: &eventsv1.Event_EraStarted{
		EraStarted: &eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1},
	}}))
	return l
}

// Decide is a decision of an actor.
func Decide(actor string, es ...*eventsv1.Event) *eventsv1.Decision {
	return &eventsv1.Decision{Meta: &eventsv1.Meta{Actor: actor, Reason: "because", ChangeTicket: "T-1", CorrelationId: "corr-" + actor}, Events: es}
}

// Next is the position of the next event.
func (l *Log) Next() events.Position { return l.Head.Position + 1 }

// Append stores a frame of decisions, a second after the one before.
func (l *Log) Append(tb TB, ds ...*eventsv1.Decision) {
	tb.Helper()
	l.store(tb, &eventsv1.Frame{Era: max(l.Head.Era, 1), First: uint64(l.Next()), Decisions: ds})
}

// Era starts the next era, with a hole in the positions.
func (l *Log) Era(tb TB, era, next uint64) {
	tb.Helper()
	l.store(tb, &eventsv1.Frame{Era: era, First: next, Decisions: []*eventsv1.Decision{
		Decide("node/s1", &eventsv1.Event{Kind: &eventsv1.Event_EraStarted{
			EraStarted: &eventsv1.EraStarted{ClusterId: "c1", Era: era, RestoredPosition: uint64(l.Head.Position), Next: next},
		}}),
	}})
}

func (l *Log) store(tb TB, f *eventsv1.Frame) {
	tb.Helper()
	l.time += 1_000_000_000
	id := events.LogID{1}
	f.LogId, f.Time = id[:], l.time
	if l.Head.Position > 0 {
		f.PrevHash = l.Head.Hash[:]
	}
	data, err := events.Marshal(f)
	if err != nil {
		tb.Fatalf("marshal frame: %v", err)
	}
	if err := l.Publish(context.Background(), l.sequence, data); err != nil {
		tb.Fatalf("publish frame: %v", err)
	}
	if _, l.Head, err = l.Head.Next(data); err != nil {
		tb.Fatalf("frame does not continue the log: %v", err)
	}
	l.sequence++
}
