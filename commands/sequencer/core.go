package sequencer

import (
	"bytes"
	"fmt"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// role of a Core. It moves follower → candidate → elected → leader, and from each
// of the latter back to follower.
type role uint8

const (
	follower role = iota
	// candidate holds the register, or tries to, and has its grant to store.
	candidate
	// elected has its grant stored, and proves once more that the register is its
	// own. Another candidate may have taken it while the grant was on its way: that
	// one goes on renewing it, and with it answers reads, so nothing may be decided
	// here before its renewals are sure to fail (found by tests/linear).
	elected
	leader
)

// Core is the sequencer as a state machine. It has one owner, who feeds it
// what happened and asks Ready what to do next.
//
// Invariants:
//   - view is the end of the stored log as this Core knows it; it only grows.
//   - flight is nil, or a frame that expects exactly view.Mark.Sequence.
//   - at most one log operation (publish or load) and one register operation
//     are under way.
type Core struct {
	cfg  Config
	role role
	view View

	queue  []*Pending
	flight *flight
	auth   authority
	// waiting are answers that wait for a renewal of authority.
	waiting []*Pending

	answers []Answer
	stored  []store.Message
	fatal   error
}

// NewCore returns a follower whose stored log ends at view. The model must be
// frozen; nil means an empty log.
func NewCore(cfg Config, view View) *Core {
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = DefaultMaxQueue
	}
	if view.Model == nil {
		view.Model = model.New()
	}
	view.Model.Freeze()
	return &Core{cfg: cfg, view: view, auth: newAuthority(cfg)}
}

// View is the stored state.
func (c *Core) View() View { return c.view }

// Campaigning reports whether this server is a candidate, or elected and not yet
// sure of it.
func (c *Core) Campaigning() bool { return c.role == candidate || c.role == elected }

// Leading reports whether this server's grant is stored and evolved. Whether it
// has authority is a question of time: see AuthorityUntil.
func (c *Core) Leading() bool { return c.role == leader }

// AuthorityUntil is the boot time at which authority ends, and the number of
// times that it was gained anew. It is 0 while this server does not lead.
func (c *Core) AuthorityUntil() (until int64, gained uint64) {
	if c.role != leader {
		return 0, c.auth.gained
	}
	return c.auth.until, c.auth.gained
}

// Status is what the core says of itself.
func (c *Core) Status() Status {
	until, gained := c.AuthorityUntil()
	st := Status{
		Leading: c.Leading(), Campaigning: c.Campaigning(), Follows: c.view.Model.Unknown != 0,
		AuthorityUntil: until, AuthorityGained: gained,
	}
	if st.Leading {
		st.Term = c.auth.term
	}
	return st
}

// Fatal is non-nil when the stored log contradicts itself: this server must
// stop and say so (V3).
func (c *Core) Fatal() error { return c.fatal }

// Campaign makes a follower a candidate. Its first frame holds what
// Config.Introduce asks for, then the grant. A model with an event of a newer
// release refuses, with [ErrNewerRelease] (T6).
func (c *Core) Campaign() error {
	if c.view.Model.Unknown != 0 {
		return fmt.Errorf("%w: position %d", ErrNewerRelease, c.view.Model.Unknown)
	}
	if c.role == follower && c.flight == nil {
		c.role = candidate
		c.auth.claim()
	}
	return nil
}

// Submit queues a command or a barrier. An error means that nothing was tried.
func (c *Core) Submit(p *Pending) error {
	if term := p.Request.Term; c.role != leader || term != 0 && term != c.auth.term {
		return ErrNotLeader
	}
	room := c.cfg.MaxQueue
	if c.cfg.own(&p.Request) {
		room += OwnQueue
	}
	if len(c.queue)+len(c.waiting) >= room {
		return ErrOverloaded
	}
	c.queue = append(c.queue, p)
	return nil
}

// Ready returns what to do now, and forgets the answers and frames that it
// hands over.
func (c *Core) Ready(now Now) Ready {
	r := Ready{}
	if c.fatal == nil {
		c.decide(now)
		c.auth.ready(now, c.role != follower, len(c.waiting) > 0 || c.role == elected, &r)
		if c.flight != nil {
			c.flight.ready(now, &r)
		}
	}
	settled := c.Settled()
	r.Answers, r.Stored = settled.Answers, settled.Stored
	return r
}

// Settled hands over answers and stored frames as Ready does, and decides
// nothing: whoever is answered can then still get into the next frame.
func (c *Core) Settled() Ready {
	r := Ready{Answers: c.answers, Stored: c.stored}
	c.answers, c.stored = nil, nil
	return r
}

func (c *Core) answer(p *Pending, receipt commands.Receipt, err error) {
	c.answers = append(c.answers, Answer{Pending: p, Receipt: receipt, Err: err})
}

// Published reports what store.Log.Publish returned for an expectation. The
// flight that asked may be resolved already, by Followed, and another one under
// way: an expectation names its flight, since a new one always expects more.
func (c *Core) Published(expect uint64, err error) {
	if c.flight == nil || c.flight.expect != expect {
		return
	}
	c.flight.busy = false
	if err == nil {
		c.storedFlight()
		return
	}
	c.flight.load = true // an error is no outcome: look what is there
}

// Loaded reports what store.Log.Load returned for a sequence.
func (c *Core) Loaded(now Now, sequence uint64, m store.Message, err error) {
	if c.flight == nil || c.flight.expect+1 != sequence {
		return
	}
	c.flight.busy = false
	switch {
	case err != nil: // not found proves nothing: publish the same bytes again
		c.flight.load, c.flight.notBefore = false, now.Boot+int64(RetryAfter)
	case bytes.Equal(m.Data, c.flight.data):
		c.storedFlight()
	default:
		c.refusedFlight(m)
	}
}

// Followed reports stored messages that somebody follows the log by, in their
// order. Messages that are known already are passed over.
func (c *Core) Followed(ms ...store.Message) error {
	for len(ms) > 0 && c.fatal == nil {
		m := ms[0]
		switch {
		case m.Sequence <= c.view.Mark.Sequence:
			ms = ms[1:]
		case c.flight != nil && m.Sequence == c.flight.expect+1:
			ms = ms[1:]
			c.flight.busy = false
			if bytes.Equal(m.Data, c.flight.data) {
				c.storedFlight()
			} else {
				c.refusedFlight(m)
			}
		case c.flight != nil: // one by one, up to the flight's
			c.evolve(ms[:1])
			ms = ms[1:]
		default:
			c.evolve(ms)
			return c.fatal
		}
	}
	return c.fatal
}

// evolve takes stored messages that are not the flight's into the state: many by
// one clone of the model.
func (c *Core) evolve(ms []store.Message) {
	before, _ := c.view.Model.Leadership.Scope(events.GlobalScope)
	next, err := c.view.Next(ms...)
	if err != nil {
		c.fatal = err
		c.stepDown()
		return
	}
	c.view = next
	c.stored = append(c.stored, ms...)
	after, _ := c.view.Model.Leadership.Scope(events.GlobalScope)
	switch {
	case c.view.Model.Unknown != 0: // T6: nor may it lead on
		c.stepDown()
	case c.role == candidate && after.Term != before.Term:
		// Another won meanwhile: taking the register from it would only cost a leader.
		c.stepDown()
	case c.role >= elected && !c.holdsControl():
		c.stepDown()
	}
}

// Next is the view after messages that follow it.
func (v View) Next(ms ...store.Message) (View, error) {
	replay := newReplay(v)
	for _, m := range ms {
		if err := replay.add(m); err != nil {
			return v, err
		}
	}
	return replay.view(), nil
}

// holdsControl reports whether the log says that this incarnation's grant is
// the last.
func (c *Core) holdsControl() bool {
	sc, ok := c.view.Model.Leadership.Scope(events.GlobalScope)
	return ok && sc.Holder == c.cfg.Server && sc.Term == c.auth.term
}

// storedFlight makes the overlay the state and answers what rested on it.
func (c *Core) storedFlight() {
	f := c.flight
	c.flight = nil
	f.overlay.Freeze()
	c.view = View{Model: f.overlay, Mark: store.Mark{Head: f.head, Sequence: f.expect + 1}}
	c.stored = append(c.stored, store.Message{Sequence: f.expect + 1, Data: f.data})
	if f.grant {
		sc, _ := c.view.Model.Leadership.Scope(events.GlobalScope)
		c.auth.term = sc.Term
		if c.role == candidate {
			c.role = elected
			c.auth.confirm()
		}
	}
	for _, p := range f.pending {
		c.answer(p, p.receipt, p.err)
	}
}

// refusedFlight drops the overlay whole: another frame is at its sequence. What
// was decided on it is decided anew, if this server still leads.
func (c *Core) refusedFlight(m store.Message) {
	f := c.flight
	c.flight = nil
	c.queue = append(f.pending, c.queue...)
	c.evolve([]store.Message{m})
	if c.role != leader {
		c.stepDownQueue()
	}
}

// stepDown ends leadership or candidacy. Nothing that is queued was stored. A
// frame whose outcome is open stays in flight until it is known.
func (c *Core) stepDown() {
	c.role = follower
	c.auth.drop()
	c.stepDownQueue()
	for _, p := range c.waiting {
		c.answer(p, commands.Receipt{}, ErrNotLeader)
	}
	c.waiting = nil
}

func (c *Core) stepDownQueue() {
	for _, p := range c.queue {
		c.answer(p, commands.Receipt{}, ErrNotLeader)
	}
	c.queue = nil
}

// Withdraw ends a candidacy that has not won yet. A grant that is on its way may
// still be stored; it then leads nobody, and the next one follows it.
func (c *Core) Withdraw() {
	if c.role == candidate {
		c.stepDown()
	}
}

// Resign steps down, for a stop that hands over: what is in flight is resolved
// first by whoever asks Ready until Idle.
func (c *Core) Resign() { c.stepDown() }

// Idle reports whether no frame is in flight.
func (c *Core) Idle() bool { return c.flight == nil }
