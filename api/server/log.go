package server

import (
	"context"
	"errors"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/audit"
	"github.com/omnirelay/omnirelay/projections/watch"
)

// LogService: the log itself.

func (s *Server) registerLog() {
	handleUnary(s, controlv1.LogServiceListEventsProcedure, s.listEvents)
	handleUnary(s, controlv1.LogServiceGetEventProcedure, s.getEvent)
	handleServerStream(s, controlv1.LogServiceTailProcedure, s.tail)
	handleUnary(s, controlv1.LogServiceListRefusalsProcedure, s.listRefusals)
	handleUnary(s, controlv1.LogServiceVerifyProcedure, s.verify)
	handleServerStream(s, controlv1.LogServiceBackupProcedure, s.backup)
	handleUnary(s, controlv1.LogServiceSealProcedure, s.seal)
	handleUnary(s, controlv1.LogServiceUnsealProcedure, s.unseal)
}

// maxRead bounds the events that one page reads to find those that match.
const maxRead = 100_000

// eventFilter says which events are meant; empty fields mean all.
type eventFilter struct {
	context, kind, id, actor, correlation string
}

func (f eventFilter) match(rec events.Recorded) bool {
	switch {
	case f.actor != "" && f.actor != rec.Meta.GetActor(),
		f.correlation != "" && f.correlation != rec.Meta.GetCorrelationId(),
		f.kind != "" && f.kind != events.TypeOf(rec.Event):
		return false
	}
	if f.context == "" && f.id == "" {
		return true
	}
	d := events.Describe(rec.Event)
	return (f.context == "" || f.context == d.Context) && (f.id == "" || f.id == d.ID)
}

// errEnough ends a read of the log that has what it needs.
var errEnough = errors.New("enough")

// eventPage gathers the events of one page.
type eventPage struct {
	filter eventFilter
	limit  int
	read   int
	events []*controlv1.LogEvent
	next   events.Position
}

// take is called with events in order; it ends with errEnough at the first that
// belongs to the next page.
func (p *eventPage) take(rec events.Recorded) error {
	if p.read++; p.read > maxRead {
		p.next = rec.Position
		return errEnough
	}
	if !p.filter.match(rec) {
		return nil
	}
	if len(p.events) == p.limit {
		p.next = rec.Position
		return errEnough
	}
	p.events = append(p.events, logEvent(rec))
	return nil
}

func (s *Server) listEvents(ctx context.Context, q *controlv1.ListEventsRequest) (*controlv1.ListEventsResponse, error) {
	from := max(events.Position(q.From), 1)
	if q.From > 1 {
		// The page after the last is asked for by who follows the log by pages.
		if err := s.reachNext(ctx, "from", from); err != nil {
			return nil, err
		}
	}
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var void *projections.VoidError
	if _, err := r.Decision(from); errors.As(err, &void) && from != void.Restored+1 {
		return nil, err // the position after the last that was restored is where its follower goes on
	}
	page := &eventPage{
		limit:  pageSize(q.Limit),
		filter: eventFilter{context: q.Context, kind: q.Type, id: q.Id, actor: q.Actor, correlation: q.CorrelationId},
	}
	if err := s.readPage(ctx, r, from, page); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return &controlv1.ListEventsResponse{Events: page.events, NextFrom: int64(page.next), Position: int64(r.position())}, nil
}

// readPage reads events from a position up to that of the reading, by the index
// where it helps.
func (s *Server) readPage(ctx context.Context, r *reading, from events.Position, page *eventPage) error {
	if r.empty || from > r.position() {
		return nil
	}
	v, to := r.View, r.position()
	read := func(after, to events.Position) error {
		return projections.Events(ctx, s.deps.Log, v, after, to, func(_ *projections.DecisionInfo, rec events.Recorded) error {
			return page.take(rec)
		})
	}
	q := audit.Query{Actor: page.filter.actor, Entity: page.filter.id, Correlation: page.filter.correlation}
	if q == (audit.Query{}) {
		return read(from-1, to)
	}
	var failed error
	err := audit.Find(v, q, from-1, to, func(last events.Position) bool {
		d, err := v.Decision(last)
		if err != nil {
			failed = err
			return false
		}
		failed = read(max(d.First, from)-1, last)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func (s *Server) getEvent(ctx context.Context, q *controlv1.GetEventRequest) (*controlv1.LogEvent, error) {
	p := events.Position(q.Position)
	if p == 0 {
		return nil, badField("position", "a position, 1 or more", "is 0")
	}
	if err := s.reach(ctx, "position", p); err != nil {
		return nil, err
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return nil, err
	}
	defer v.Release()
	if _, err := v.Decision(p); err != nil { // in a hole?
		return nil, err
	}
	rec, _, err := s.eventAt(ctx, p)
	if err != nil {
		return nil, err
	}
	callOf(ctx).answered(v.Position())
	return logEvent(rec), nil
}

// tail streams events. Every event is a point to go on after, unlike in the
// streams of rows: its own position counts.
func (s *Server) tail(ctx context.Context, q *controlv1.TailRequest, out sink[controlv1.LogEvent]) error {
	filter := eventFilter{context: q.Context, kind: q.Type, id: q.Id, actor: q.Actor, correlation: q.CorrelationId}
	o := watch.Options[events.Recorded]{Start: watch.Head, Match: filter.match, Bookmarks: callOf(ctx).protocol == protocolSSE}
	if q.UntilHead {
		o.Until = s.deps.Head()
	}
	after := events.Position(q.GetAfter())
	if q.After != nil {
		if err := s.reach(ctx, "after", after); err != nil {
			return err
		}
		var err error
		if o.Position, err = s.decisionBefore(after); err != nil {
			return err
		}
		o.Start = watch.After
	}
	if q.UntilHead && (q.After == nil || after >= o.Until) {
		return nil
	}
	if err := out(nil, note{opened: true}); err != nil {
		return err
	}
	idle, end := gather(ctx)
	defer end()
	o.Idle = idle
	return s.deps.Feeds.Log.Watch(ctx, o, func(item watch.Item[events.Recorded]) error {
		switch {
		case item.Kind == watch.Bookmark:
			return out(&controlv1.LogEvent{Position: int64(item.Position), DecisionPosition: int64(item.Position)},
				note{bookmark: true, resume: int64(item.Position)})
		case item.Current.Position <= after:
			return nil // of the decision that after is inside of
		}
		n := note{}
		if item.Position == item.Event.Last {
			n.resume = int64(item.Position)
		}
		return out(logEvent(item.Current), n)
	})
}

// decisionBefore is the end of the last decision at or before a position.
func (s *Server) decisionBefore(p events.Position) (events.Position, error) {
	v, err := s.deps.Views.View()
	if err != nil {
		return 0, err
	}
	defer v.Release()
	before, err := v.AsOf(p)
	var void *projections.VoidError
	if errors.As(err, &void) && p == void.Next-1 {
		return void.Restored, nil // who asks for an era's events from the first on
	}
	return before, err
}
