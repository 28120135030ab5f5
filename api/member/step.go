package member

import (
	"slices"
	"time"
)

// Core decides what this member may own. It has one owner.
type Core struct {
	node    string
	session int64 // 0 without one
	ttl     int64
	lease   int64 // boot time at which the lease ends
	// heard is the boot time at which the last answered heartbeat was sent.
	heard int64
	// ends is not after the first end of an ownership that goes on for longer than
	// the lease; 0 without one.
	ends int64
	// position is the newest that rows were read at.
	position int64
	// floor is the highest fence that this session released of a shard. It is
	// kept when the hold is not: a row that comes twice must not start it again.
	floor   map[Ref]int64
	rows    map[Ref]Row
	holds   map[Ref]*hold
	preps   map[Ref]*prep
	leaving bool

	// dirty are the shards to look at; all means every one. live is whether the
	// lease lived at the last look.
	dirty map[Ref]struct{}
	all   bool
	live  bool
	// running counts the callbacks that have not returned.
	running int

	beatAt  int64 // boot time of the next heartbeat; 0 is now
	full    bool  // the next heartbeat carries the set
	changed bool  // the held set changed since the last heartbeat
}

// NewCore returns the core of a node without a session.
func NewCore(node string) *Core {
	return &Core{node: node, rows: map[Ref]Row{}, holds: map[Ref]*hold{}, preps: map[Ref]*prep{}, floor: map[Ref]int64{}, dirty: map[Ref]struct{}{}}
}

// LeaseUntil is the boot time at which the lease ends; 0 without one.
func (c *Core) LeaseUntil() int64 { return c.lease }

// Session is the present session; 0 without one.
func (c *Core) Session() int64 { return c.session }

// Position is the newest position that rows were read at, and the one to go on
// reading after.
func (c *Core) Position() int64 { return c.position }

// Owns reports whether a shard is owned now, and with which fence.
func (c *Core) Owns(ref Ref, now int64) (fence int64, ok bool) {
	h := c.holds[ref]
	if h == nil || !h.running || h.ending != 0 || now >= c.until(h) {
		return 0, false
	}
	return h.fence, true
}

// Step takes one input at a moment of the boot-time clock, and returns what has
// to be done. wake is the boot time at which a Tick is due.
func (c *Core) Step(now int64, in Input) (out []Output, wake int64) {
	if c.live && now >= c.lease || c.ends != 0 && now >= c.ends {
		// What ended is seen to end, even by an answer that renews it.
		out = c.reconcile(now)
	}
	out = append(out, c.take(in)...)
	out = append(out, c.reconcile(now)...)
	if c.leaving && c.session != 0 && c.running == 0 {
		out = append(out, Leave{Session: c.session})
	}
	return append(out, c.beat(now)...), c.wake()
}

func (c *Core) take(in Input) (out []Output) {
	switch x := in.(type) {
	case Opened:
		return c.opened(x)
	case Answered:
		c.answered(x)
	case SessionLost:
		if x.Session == c.session && c.session != 0 {
			return c.lost()
		}
	case Snapshot:
		c.snapshot(x)
	case Changed:
		c.change(x.Position, x.Row.Ref, x.Row)
	case Gone:
		c.change(x.Position, x.Ref, Row{Ref: x.Ref})
	case Seen:
		c.position = max(c.position, x.Position)
	case Ended:
		c.ended(x)
	case PrepareEnded:
		c.prepared(x)
	case Batch:
		for _, each := range x {
			out = append(out, c.take(each)...)
		}
	case Leaving:
		c.leaving, c.changed, c.all = true, true, true
		if c.session == 0 {
			return []Output{Leave{}}
		}
	case Tick:
		if c.session == 0 && !c.leaving {
			return []Output{Open{}}
		}
	}
	return out
}

// leaseEnd is when a lease ends that was answered with a TTL to a call sent
// at a moment.
func leaseEnd(sentAt int64, ttl time.Duration) int64 {
	return sentAt + int64(ttl) - margin(int64(ttl))
}

// margin is the part of the TTL by which a lease ends early.
func margin(ttl int64) int64 { return ttl / 8 }

func (c *Core) opened(x Opened) []Output {
	if x.Session <= c.session {
		return nil // an answer that was overtaken
	}
	out := c.drop() // a session that this one follows
	c.session, c.ttl = x.Session, int64(x.TTL)
	c.lease, c.heard = leaseEnd(x.SentAt, x.TTL), x.SentAt
	c.position = max(c.position, x.Position)
	c.beatAt, c.full, c.all = 0, true, true
	clear(c.floor)
	return out
}

func (c *Core) answered(x Answered) {
	if x.Session != c.session || c.session == 0 {
		return
	}
	c.ttl = int64(x.TTL)
	c.lease, c.heard = max(c.lease, leaseEnd(x.SentAt, x.TTL)), max(c.heard, x.SentAt)
	if x.WantFull {
		c.full, c.beatAt = true, 0
	}
}

func (c *Core) lost() []Output {
	out := c.drop()
	if c.leaving {
		return append(out, Leave{})
	}
	return append(out, Open{})
}

// drop ends the session and what was held by it; the rest is kept without one.
func (c *Core) drop() []Output {
	if c.session == 0 {
		return nil
	}
	// Rows of a later session may have come before the answer that names it.
	for ref, r := range c.rows {
		if r.Owner == c.node && r.Session <= c.session && !r.outlives() {
			delete(c.rows, ref)
		}
	}
	var out []Output
	for _, ref := range c.everything() {
		h := c.holds[ref]
		if c.keep(h) {
			continue
		}
		if o := c.stop(ref, h); o != nil {
			out = append(out, o)
		}
		if h != nil && !h.running {
			delete(c.holds, ref)
		}
	}
	c.session, c.lease, c.heard, c.all = 0, 0, 0, true
	return out
}

func (c *Core) snapshot(x Snapshot) {
	if x.Position < c.position {
		return // an older past than this member has seen
	}
	c.position, c.all = x.Position, true
	clear(c.rows)
	for _, r := range x.Rows {
		c.rows[r.Ref] = r
	}
}

func (c *Core) change(position int64, ref Ref, row Row) {
	if position < c.position {
		return
	}
	c.position = position
	c.dirty[ref] = struct{}{}
	if row.Owner != c.node && row.To != c.node {
		delete(c.rows, ref)
		return
	}
	c.rows[ref] = row
}

func (c *Core) ended(x Ended) {
	h := c.holds[x.Ref]
	if h == nil || h.fence != x.Fence || !h.running {
		return
	}
	h.running = false
	c.running--
	c.dirty[x.Ref] = struct{}{}
	switch h.ending {
	case EndReleased, 0: // a callback that returns by itself gives its shard back
		c.release(x.Ref, h)
	case EndReassigned, EndRebound:
		delete(c.holds, x.Ref)
		c.changed = true
	case EndLease:
		h.ending, h.stopped = 0, false // may resume
	}
}

// mine reports whether the log gives the shard to this member's session, and
// with which fence.
func (c *Core) mine(ref Ref) (Row, bool) {
	r, ok := c.rows[ref]
	return r, ok && c.session != 0 && r.Owner == c.node && r.Session == c.session
}

// reconcile brings what runs to what may run. It looks at what an input
// touched, and at everything when the lease or the session changed.
func (c *Core) reconcile(now int64) []Output {
	if live := c.session != 0 && now < c.lease; live != c.live {
		c.live, c.all = live, true
	}
	if c.ends != 0 && now >= c.ends {
		c.all = true
	}
	everything := c.all
	var out []Output
	for _, ref := range c.toSettle() {
		if o := c.settle(now, ref); o != nil {
			out = append(out, o)
		}
		out = append(out, c.settlePrep(ref)...)
	}
	if everything {
		c.ends = c.nextEnd()
	}
	return out
}

func (c *Core) toSettle() []Ref {
	var refs []Ref
	if c.all {
		refs = c.everything()
	} else {
		for ref := range c.dirty {
			refs = append(refs, ref)
		}
		slices.SortFunc(refs, compareRefs)
	}
	c.all = false
	clear(c.dirty)
	return refs
}

// beat sends a heartbeat when one is due, or at once when the held set changed.
func (c *Core) beat(now int64) []Output {
	if c.session == 0 || (now < c.beatAt && !c.changed && !c.full) {
		return nil
	}
	b := Beat{Session: c.session, Full: c.full || c.changed, Held: c.Held()}
	c.beatAt, c.changed, c.full = now+c.ttl/4, false, false
	return []Output{b}
}

// Held is what a heartbeat reports, in the order of namespaces and shards.
func (c *Core) Held() []Held {
	var held []Held
	for _, ref := range c.everything() {
		h := c.holds[ref]
		switch p := c.preps[ref]; {
		case h == nil && p != nil && p.ready:
			held = append(held, Held{Ref: ref, Fence: p.fence, State: Prepared})
		case h == nil: // assigned, or prepared for, and not started
		case h.released:
			held = append(held, Held{Ref: ref, Fence: h.fence, State: Released})
		case h.running:
			held = append(held, Held{Ref: ref, Fence: h.fence, State: Owning})
		}
	}
	return held
}

func (c *Core) wake() int64 {
	if c.session == 0 {
		return c.ends
	}
	at := sooner(c.beatAt, c.ends)
	if c.live && c.lease < at {
		return c.lease
	}
	return at
}

// everything lists the shards that are assigned, coming or held, in order: what a
// step does must not depend on the order of a map.
func (c *Core) everything() []Ref {
	refs := make([]Ref, 0, len(c.rows)+len(c.holds)+len(c.preps))
	for ref := range c.rows {
		refs = append(refs, ref)
	}
	for ref := range c.holds {
		if _, ok := c.rows[ref]; !ok {
			refs = append(refs, ref)
		}
	}
	for ref := range c.preps {
		if _, ok := c.rows[ref]; !ok && c.holds[ref] == nil {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, compareRefs)
	return refs
}

func compareRefs(a, b Ref) int {
	switch {
	case a.Namespace < b.Namespace:
		return -1
	case a.Namespace > b.Namespace:
		return 1
	}
	return int(a.Shard) - int(b.Shard)
}
