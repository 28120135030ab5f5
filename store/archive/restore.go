package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

// RestoreOptions of a [Restore]. Era and By are needed.
type RestoreOptions struct {
	// Era is what [NextEra] gave for this archive.
	Era Era
	// Position is the end of the last decision to restore; 0 is all.
	Position events.Position
	// Settle is the longest lease that a member may still have, where the archive
	// does not tell: it knows those up to its head.
	Settle time.Duration
	// Now is the time, Unix nanoseconds.
	Now int64
	By  By
}

// Restored says what a restore made.
type Restored struct {
	Archive Summary
	// Position is the last one that was restored.
	Position events.Position
	Settle   time.Duration
	// Mark is the end of the new log: the frame that opens its era.
	Mark store.Mark
}

// Restore reads the archive to its end and stores its frames, up to
// Options.Position, and the frame that opens the new era. The target must be
// empty and nobody else's. A nil target stores nothing and tells what would be.
// After an error the target is of no use.
func Restore(ctx context.Context, r *Reader, to store.Log, o RestoreOptions) (Restored, error) {
	h := r.Header()
	if o.Settle < 0 || o.Settle > MaxSettle {
		return Restored{}, fmt.Errorf("archive: restore: Settle is %s (allowed: 0 to %s)", o.Settle, MaxSettle)
	}
	if o.Position == 0 {
		o.Position = h.Mark.Position
	}
	if o.Position > h.Mark.Position {
		return Restored{}, fmt.Errorf("archive: restore: %w: the archive ends at position %d, before %d", ErrPosition, h.Mark.Position, o.Position)
	}
	if o.Era.Number <= h.Mark.Era || o.Era.Next <= h.Mark.Position {
		return Restored{}, fmt.Errorf("archive: restore: %w: era %d at position %d does not follow era %d, position %d",
			ErrPosition, o.Era.Number, o.Era.Next, h.Mark.Era, h.Mark.Position)
	}
	t := target{log: to, until: o.Position}
	if err := t.takeAll(ctx, r); err != nil {
		return Restored{}, fmt.Errorf("archive: restore: %w", err)
	}
	restored := Restored{Archive: r.Summary(), Position: t.at.Position, Settle: max(t.leases.longest(), o.Settle)}
	m, err := opening{era: o.Era, cluster: h.Cluster, settle: restored.Settle, time: max(o.Now, h.Mark.Time), by: o.By}.message(t.at)
	if err == nil {
		err = t.store(ctx, m)
	}
	if err != nil {
		return Restored{}, fmt.Errorf("archive: restore: open era %d: %w", o.Era.Number, err)
	}
	restored.Mark = t.at
	return restored, nil
}

// target is the log that is being made.
type target struct {
	log    store.Log // nil stores nothing
	until  events.Position
	at     store.Mark
	leases leases
}

func (t *target) takeAll(ctx context.Context, r *Reader) error {
	for {
		m, frame, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// Those after the cut too: the lease of a session that is cut away lives.
		t.leases.see(frame)
		if err := t.take(ctx, m, frame); err != nil {
			return err
		}
	}
}

// take stores what of a frame is to be restored.
func (t *target) take(ctx context.Context, m store.Message, frame *eventsv1.Frame) error {
	first := events.Position(frame.First)
	last := first + events.Position(events.CountEvents(frame)) - 1
	switch {
	case t.at.Position == t.until:
		return nil
	case first > t.until:
		return fmt.Errorf("%w: position %d is void (allowed: %d, before the hole, or %d and later, after it)", ErrPosition, t.until, t.at.Position, first)
	case last > t.until:
		data, err := cutFrame(m.Data, t.until)
		if err != nil {
			return err
		}
		m.Data = data
	}
	return t.store(ctx, m)
}

func (t *target) store(ctx context.Context, m store.Message) error {
	_, next, err := t.at.Verify(m)
	if err != nil {
		return err
	}
	t.at = next
	if t.log == nil {
		return ctx.Err()
	}
	return appendMessage(ctx, t.log, m)
}
