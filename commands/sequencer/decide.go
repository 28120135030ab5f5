package sequencer

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// decide packs what is queued into the next frame, if none is in flight.
func (c *Core) decide(now Now) {
	if c.flight != nil {
		return
	}
	switch {
	case c.role == candidate && c.auth.valid(now):
		c.decideGrant(now)
	case c.role == leader && len(c.queue) > 0:
		c.decideQueue(now)
	}
}

// decideQueue decides queued commands in order until the frame is full.
func (c *Core) decideQueue(now Now) {
	b := newBuilder(c, now)
	taken := 0
	for _, p := range c.queue {
		if p.Cancelled != nil && p.Cancelled() {
			taken++
			continue
		}
		if !b.add(p) {
			break
		}
		taken++
	}
	c.queue = append(c.queue[:0:0], c.queue[taken:]...)
	if len(b.frame.Decisions) > 0 {
		c.launch(b, false)
		return
	}
	for _, p := range b.pending { // no frame to wait for: wait for a renewal
		p.since = now.Boot
	}
	c.waiting = append(c.waiting, b.pending...)
}

// decideGrant decides the candidate's own frame. Its requests are this server's
// own; one that is refused is a fault of its configuration and ends the
// candidacy.
func (c *Core) decideGrant(now Now) {
	b := newBuilder(c, now)
	var requests []commands.Request
	if c.cfg.Introduce != nil {
		requests = c.cfg.Introduce(c.view.Model)
	}
	requests = append(requests, commands.Request{
		Actor: "node/" + c.cfg.Server, Command: leadership.GrantControl{Server: c.cfg.Server},
		Reason: "took the authority register",
	})
	for _, r := range requests {
		p := &Pending{Request: r}
		if !b.add(p) || p.err != nil {
			c.fatal = fmt.Errorf("decide %s for this server's grant: %w", r.Command.CommandName(), p.err)
			c.stepDown()
			return
		}
	}
	b.pending = nil // nobody waits for an answer
	c.launch(b, true)
}

// launch closes the builder's frame and puts it in flight.
func (c *Core) launch(b *builder, grant bool) {
	data, err := events.Marshal(b.frame)
	if err != nil { // the builder keeps the limits: this is a bug of ours
		panic(fmt.Sprintf("sequencer: %v", err))
	}
	n := events.CountEvents(b.frame)
	c.flight = &flight{
		expect: c.view.Mark.Sequence, data: data, overlay: b.overlay, pending: b.pending, grant: grant,
		head: events.Head{
			LogID: b.logID, Era: b.frame.Era, Hash: events.HashOf(data), Time: b.frame.Time,
			Position: events.Position(b.frame.First) + events.Position(n) - 1,
		},
	}
}

// builder packs decisions into one frame on one overlay.
type builder struct {
	frame   *eventsv1.Frame
	overlay *model.Model
	logID   events.LogID
	next    events.Position
	now     Now
	bytes   int
	touched int // shards that the decisions so far change
	// pending are answered when the frame is stored, in order.
	pending []*Pending
}

// frameOverhead is more than the bytes of a frame beside its decisions.
const frameOverhead = 256

// maxTouched bounds the shards that the decisions of one frame change, unless it
// is one decision alone. Few bytes can mean much work: some hundred updates of a
// large namespace fit into a frame, and while they were decided authority would
// end, and with it, unanswered, every lease.
const maxTouched = events.MaxShards

func newBuilder(c *Core, now Now) *builder {
	mark := c.view.Mark
	b := &builder{
		overlay: c.view.Model.Clone(), logID: mark.LogID, next: mark.Position + 1, now: now, bytes: frameOverhead,
		frame: &eventsv1.Frame{Era: mark.Era, First: uint64(mark.Position) + 1, Time: max(now.Wall, mark.Time)},
	}
	if mark.Position == 0 {
		b.logID, b.frame.Era = c.cfg.NewLogID, 1
	} else {
		b.frame.PrevHash = mark.Hash[:]
	}
	b.frame.LogId = b.logID[:]
	return b
}

// add decides one command. It returns false, having changed nothing, when the
// decision does not fit into this frame any more.
func (b *builder) add(p *Pending) bool {
	p.receipt, p.err = commands.Receipt{Position: b.next - 1, Time: b.frame.Time}, nil
	if p.Barrier {
		b.pending = append(b.pending, p)
		return true
	}
	r := &p.Request
	replayed, done, err := b.overlay.Recall(r, b.now.Wall)
	if done {
		p.receipt = replayed
	}
	if done || err != nil {
		p.err = err
		b.pending = append(b.pending, p)
		return true
	}
	said := b.overlay.OnBehalf(*r)
	meta := commands.Meta{Time: b.frame.Time, Actor: said.Actor, Next: b.next, IfVersion: r.IfVersion}
	evs, err := b.overlay.Decide(meta, r.Command)
	switch {
	case err != nil:
		p.err = err
	case r.DryRun:
		p.receipt.Events, p.receipt.DryRun = evs, true
	case len(evs) > 0:
		fits, err := b.record(p, metaOf(&said), evs)
		if !fits {
			return false
		}
		p.err = err
	}
	b.pending = append(b.pending, p)
	return true
}

// record puts a decision into the frame and onto the overlay. One that is over
// the limit of any frame is refused; one that is over what this frame has left
// does not fit.
func (b *builder) record(p *Pending, meta *eventsv1.Meta, evs []*eventsv1.Event) (fits bool, err error) {
	d := &eventsv1.Decision{Meta: meta, Events: evs}
	size := proto.Size(d) + 8
	have := int(b.next) - int(b.frame.First)
	if size+frameOverhead > events.MaxFrameBytes || len(evs) > events.MaxFrameEvents {
		return true, &commands.Rejected{Kind: commands.Invalid, Reason: "too_large",
			Message: fmt.Sprintf("the decision has %d events and %d bytes", len(evs), size),
			Allowed: fmt.Sprintf("at most %d events and %d bytes", events.MaxFrameEvents, events.MaxFrameBytes-frameOverhead)}
	}
	if b.bytes+size > events.MaxFrameBytes || have+len(evs) > events.MaxFrameEvents {
		return false, nil
	}
	touches := b.touches(evs)
	if b.touched > 0 && b.touched+touches > maxTouched {
		return false, nil
	}
	b.touched += touches
	b.frame.Decisions = append(b.frame.Decisions, d)
	b.bytes += size
	last := b.next + events.Position(len(evs)) - 1
	for i, e := range evs {
		b.overlay.Evolve(events.Recorded{Position: b.next + events.Position(i), Decision: last, Time: b.frame.Time, Meta: d.Meta, Event: e})
	}
	b.next = last + 1
	p.receipt = commands.Receipt{Position: last, Time: b.frame.Time, Events: evs}
	return true, nil
}

func (b *builder) touches(evs []*eventsv1.Event) int {
	n := 0
	for _, e := range evs {
		n += b.overlay.Shard.Touches(e)
	}
	return n
}

func metaOf(r *commands.Request) *eventsv1.Meta {
	m := &eventsv1.Meta{
		Actor: r.Actor, Reason: r.Reason, ChangeTicket: r.ChangeTicket,
		CorrelationId: r.CorrelationID, CausationId: r.CausationID, Command: r.Command.CommandName(),
	}
	if !r.Key.IsZero() {
		m.IdempotencyKey, m.RequestHash = r.Key[:], r.Hash[:]
	}
	return m
}
