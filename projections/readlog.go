package projections

import (
	"context"
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

// headOf is the head of the log after a stored message, as that says itself.
func headOf(msg store.Message) (events.Head, error) {
	h, err := events.HeadOf(msg.Data)
	if err != nil {
		return h, fmt.Errorf("message %d: %w", msg.Sequence, err)
	}
	return h, nil
}

// Events calls fn with the events at positions after from, up to and including
// to, in order, read from the log and verified, until fn returns an error, which
// it returns. The view says in which messages they are.
func Events(ctx context.Context, log store.Log, v *View, from, to events.Position, fn func(*DecisionInfo, events.Recorded) error) error {
	to = min(to, v.Mark.Position)
	if from >= to {
		return nil
	}
	start, err := v.seek(from + 1)
	if err != nil || start == nil {
		return err
	}
	at := store.Mark{}
	if start.Sequence > 1 {
		before, err := log.Load(ctx, start.Sequence-1)
		if err != nil {
			return fmt.Errorf("projections: load message %d: %w", start.Sequence-1, err)
		}
		if at.Head, err = headOf(before); err != nil {
			return err
		}
		at.Sequence = before.Sequence
	}
	known := kinds{}
	for at.Position < to {
		msg, err := log.Load(ctx, at.Sequence+1)
		if err != nil {
			return fmt.Errorf("projections: load message %d: %w", at.Sequence+1, err)
		}
		f, head, err := at.Next(msg.Data)
		if err != nil {
			return fmt.Errorf("message %d: %w", msg.Sequence, err)
		}
		at = store.Mark{Head: head, Sequence: msg.Sequence}
		if err := eachEvent(known, f, msg.Sequence, from, to, fn); err != nil {
			return err
		}
	}
	return nil
}

// eachEvent visits those events of a frame that lie in (from, to].
func eachEvent(known kinds, f *eventsv1.Frame, sequence uint64, from, to events.Position, fn func(*DecisionInfo, events.Recorded) error) error {
	first := events.Position(f.First)
	for _, d := range f.Decisions {
		last := first + events.Position(len(d.Events)) - 1
		if last > from && first <= to && len(d.Events) > 0 {
			info := known.describe(d, first, f.Time, sequence)
			for i, e := range d.Events {
				rec := events.Recorded{Position: first + events.Position(i), Decision: last, Time: f.Time, Meta: d.Meta, Event: e}
				if rec.Position <= from || rec.Position > to {
					continue
				}
				if err := fn(info, rec); err != nil {
					return err
				}
			}
		}
		first = last + 1
	}
	return nil
}
