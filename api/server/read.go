package server

import (
	"context"
	"errors"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// reading is a view and the position that a request asks it for. Release it.
type reading struct {
	*projections.View
	// at is what queries take: 0 is now.
	at events.Position
	// empty: the position lies before the first event, where nothing was.
	empty bool
	// past: the caller asked for the past, so nothing live belongs in the answer.
	past bool
}

// position is the one that the answer is of.
func (r *reading) position() events.Position {
	switch {
	case r.empty:
		return 0
	case r.at != 0:
		return r.at
	}
	return r.Position()
}

// read waits for what the options ask to wait for and returns the view at the
// position that they ask for.
func (s *Server) read(ctx context.Context, o *controlv1.ReadOptions) (*reading, error) {
	return s.readAt(ctx, o, 0)
}

// readAfter is the read that a page token goes on with, and the token.
func (s *Server) readAfter(ctx context.Context, o *controlv1.ReadOptions, page string, filter uint64) (*reading, pageToken, error) {
	token, err := s.decodeToken("pageToken", page, filter)
	if err != nil {
		return nil, pageToken{}, err
	}
	r, err := s.readAt(ctx, o, token.at)
	return r, token, err
}

// readAt is read pinned to a position that a page token names, if it names one.
func (s *Server) readAt(ctx context.Context, o *controlv1.ReadOptions, pin events.Position) (*reading, error) {
	if err := s.await(ctx, o); err != nil {
		return nil, err
	}
	asOf, field := events.Position(o.GetAsOfPosition()), "read.asOfPosition"
	if pin != 0 {
		asOf, field = pin, "pageToken"
	}
	if err := s.reach(ctx, field, asOf); err != nil {
		return nil, err
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return nil, err
	}
	if least := events.Position(o.GetMinPosition()); least != 0 && v.Mark.Era > 1 {
		// What was at a position that a restore has lost cannot be shown (A4).
		if _, err := v.Decision(least); err != nil {
			v.Release()
			return nil, err
		}
	}
	r := &reading{View: v, past: o.GetAsOfPosition() != 0 || o.GetAsOfTime() != nil}
	if asOf == 0 && o.GetAsOfTime() != nil {
		err = r.goToTime(o.AsOfTime.AsTime())
	} else if asOf != 0 {
		err = r.goTo(asOf)
	}
	if err != nil {
		v.Release()
		return nil, err
	}
	c := callOf(ctx)
	c.answered(r.position())
	c.before = r.empty
	return r, nil
}

func (r *reading) goTo(p events.Position) (err error) {
	r.at, err = r.AsOf(p)
	r.empty = err == nil && r.at == 0
	return err
}

// goToTime refuses a time to come: what will be at it is not known.
func (r *reading) goToTime(t time.Time) (err error) {
	if now := time.Now(); t.After(now.Add(clockSlack)) {
		f := badField("read.asOfTime", "a time up to now, "+now.UTC().Format(time.RFC3339), "is %s, which is to come", t.Format(time.RFC3339))
		f.reason = "time_ahead"
		return f
	}
	if t.Year() < firstYear {
		r.empty = true // before what nanoseconds count
		return nil
	}
	r.at, err = r.AtTime(t.UnixNano())
	r.empty = err == nil && r.at == 0
	return err
}

const (
	// clockSlack is how far a caller's clock may be ahead.
	clockSlack = time.Minute
	// firstYear is the first whole year that Unix nanoseconds reach.
	firstYear = 1679
)

// await waits for minPosition, and for a linearizable read for the head.
func (s *Server) await(ctx context.Context, o *controlv1.ReadOptions) error {
	least := events.Position(o.GetMinPosition())
	if o.GetConsistency() == controlv1.Consistency_CONSISTENCY_LINEARIZABLE {
		head, err := s.deps.Submitter.Barrier(ctx)
		if err != nil {
			return err
		}
		least = max(least, head)
	}
	if least == 0 {
		return nil
	}
	return s.waitFor(ctx, least)
}

// waitFor waits until reads show a position, as long as the caller would, and
// ends a little before so that the answer arrives.
func (s *Server) waitFor(ctx context.Context, p events.Position) error {
	wait := DefaultWait
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		wait = min(left-min(left/10, 100*time.Millisecond), MaxWait)
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := s.deps.Views.WaitFor(limited, p)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		_, head := s.logName()
		f := unavailable("position_not_reached", "position %d is not reached within %v; this server shows position %d", p, wait.Round(time.Millisecond), head)
		f.position = head
		return f
	}
	return err
}

// reachNext is reach for the first position of a page, which may be the one
// that comes next.
func (s *Server) reachNext(ctx context.Context, field string, from events.Position) error {
	err := s.reach(ctx, field, from-1)
	var f *failure
	if !errors.As(err, &f) || f.reason != reasonAhead {
		return err
	}
	return positionAhead(field, from, f.position+1, f.position)
}

// positionAhead says that a position is more than the most that it may be.
func positionAhead(field string, p, most, head events.Position) *failure {
	f := badField(field, "1 to "+most.String(), "is %d, beyond the head", p)
	f.reason, f.position = reasonAhead, head
	return f
}

const reasonAhead = "position_ahead"

// reach refuses a position beyond the head of the log, and waits for one that
// only this server's reads have not come to.
func (s *Server) reach(ctx context.Context, field string, p events.Position) error {
	v, err := s.deps.Views.View()
	if err != nil {
		return err
	}
	shown := v.Position()
	v.Release()
	if p <= shown {
		return nil
	}
	if head := max(s.deps.Head(), shown); s.deps.Leading() && p > head {
		return positionAhead(field, p, head, head)
	}
	return s.waitFor(ctx, p)
}
