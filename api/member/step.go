package member

import (
	"slices"
	"time"
)

// Ref names a shard.
type Ref struct {
	Namespace string
	Shard     uint32
}

// Row is what the log says of a shard, as far as its owner is concerned.
type Row struct {
	Ref
	Owner   string
	Session int64
	Fence   int64
	// Draining: the owner is asked to release.
	Draining bool
	// Mode and TTL, nanoseconds, are how the namespace is owned.
	Mode Mode
	TTL  int64
	// To is the target of the move in flight.
	To string
}

// HoldState is what this member does with a shard. The values are those of the
// wire.
type HoldState uint8

// The states of a shard that is held here.
const (
	// Prepared: a move goes here, and the callback has prepared it. The fence is
	// that of the present owner.
	Prepared HoldState = 1
	// Owning: the callback runs.
	Owning HoldState = 2
	// Released: the callback has returned after a release; never owned again
	// with this fence.
	Released HoldState = 3
)

// Held is one line of what a heartbeat reports.
type Held struct {
	Ref
	Fence int64
	State HoldState
}

// EndCause is why an ownership ends.
type EndCause uint8

// The causes of an end.
const (
	EndReleased   EndCause = iota + 1 // asked to release, or leaving
	EndLease                          // the lease ended
	EndReassigned                     // the log says that it is another's
	EndRebound                        // the log bound it to this node's next session: it starts again
)

// hold is a shard that this member has, or had until its release is known.
type hold struct {
	fence   int64
	session int64 // that the assignment names
	mode    Mode
	ttl     int64
	// ends is when the ownership of an earlier session ends, or is stale.
	ends    int64
	running bool     // the callback has started and not returned
	ending  EndCause // it was told to end; 0 while it was not
	// stopped: it was told that it may act no more, not even to release.
	stopped bool
	// released: the callback returned after a release.
	released bool
}

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

// settle decides what one shard needs now.
func (c *Core) settle(now int64, ref Ref) Output {
	row, mine := c.mine(ref)
	h := c.holds[ref]
	if h == nil {
		if !mine || c.leaving || now >= c.lease {
			return nil
		}
		if row.Draining || row.Fence <= c.floor[ref] { // never to start here: released as it is
			c.holds[ref] = held(row)
			c.release(ref, c.holds[ref])
			return nil
		}
		if c.preparing(ref) {
			return nil
		}
		return c.start(row)
	}
	switch {
	case !c.gives(row, h):
		return c.settleForeign(now, ref, h, row, mine)
	case h.released:
		return nil
	case h.running && !h.stopped && now >= c.until(h):
		return c.lapse(ref, h)
	case h.running && h.ending == 0 && (row.Draining || c.leaving):
		return c.end(ref, h, EndReleased)
	case !h.running && !mine: // of an earlier session: to be bound again first
		delete(c.holds, ref)
		c.changed = true
	case !h.running && (row.Draining || c.leaving):
		c.release(ref, h)
	case !h.running && now < c.lease:
		return c.start(row)
	case h.running && h.ending == EndLease && (row.Draining || c.leaving):
		h.ending = EndReleased // it ends anyway; its return is then a release
	}
	return nil
}

// settleForeign ends what the log no longer gives to this session with this
// fence. A fence at or below one that was held is never started.
func (c *Core) settleForeign(now int64, ref Ref, h *hold, row Row, mine bool) Output {
	switch {
	case h.running && mine && h.session < c.session:
		return c.rebound(now, ref, h)
	case h.running:
		return c.stop(ref, h)
	}
	if mine && row.Fence <= h.fence {
		return nil // an older past: keep what is known of the newer fence
	}
	delete(c.holds, ref)
	c.changed = true
	if mine {
		return c.settle(now, ref)
	}
	return nil
}

func (c *Core) release(ref Ref, h *hold) {
	h.released, c.changed = true, true
	c.floor[ref] = max(c.floor[ref], h.fence)
}

func (c *Core) start(row Row) Output {
	c.dropPrep(row.Ref)
	h := held(row)
	h.running = true
	c.holds[row.Ref] = h
	c.running++
	c.changed = true
	if h.mode == Leased && h.ttl > 0 {
		c.ends = sooner(c.ends, c.until(h))
	}
	return Start{Ref: row.Ref, Fence: row.Fence, Mode: h.mode, TTL: time.Duration(h.ttl)}
}

// end asks a callback to release.
func (c *Core) end(ref Ref, h *hold, cause EndCause) Output {
	h.ending = cause
	return End{Ref: ref, Fence: h.fence, Cause: cause}
}

// lapse tells a callback that the lease has ended. One that was releasing goes
// on to be a release when it returns.
func (c *Core) lapse(ref Ref, h *hold) Output {
	h.stopped = true
	if h.ending == 0 {
		h.ending = EndLease
	}
	return End{Ref: ref, Fence: h.fence, Cause: EndLease}
}

// stop tells a callback that the shard is no longer this session's.
func (c *Core) stop(ref Ref, h *hold) Output {
	if h == nil || !h.running || h.ending == EndReassigned {
		return nil
	}
	stopped := h.stopped
	h.ending, h.stopped = EndReassigned, true
	if stopped {
		return nil
	}
	return End{Ref: ref, Fence: h.fence, Cause: EndReassigned}
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
