package member

import (
	"math"
)

// Mode is how a shard is owned. The values are those of the wire.
type Mode uint8

// The modes of ownership.
const (
	// Leased: the owner acts until its lease, or a longer ownershipTTL, ends.
	Leased Mode = 1
	// Fenced: it goes on, stale, until it hears that the log gave the shard to another;
	// a resource that checks fences decides between the two.
	Fenced Mode = 2
	// Sticky: it goes on; silence gives the shard to nobody.
	Sticky Mode = 3
)

// outlives reports whether an ownership may go on when its session has ended.
func (r Row) outlives() bool { return held(r).outlives() }

func (h *hold) outlives() bool { return h.endless() || h.ttl > 0 }

// endless: no time ends it.
func (h *hold) endless() bool { return h.mode == Fenced || h.mode == Sticky }

// held is what is made of a row. One that says no mode is of a server that knows
// none but the lease.
func held(r Row) *hold {
	return &hold{fence: r.Fence, session: r.Session, mode: max(r.Mode, Leased), ttl: r.TTL}
}

// gives reports whether the row gives the shard to this very hold.
func (c *Core) gives(r Row, h *hold) bool {
	return r.Owner == c.node && r.Session == h.session && r.Fence == h.fence
}

// Term is when ownerships of the present session end that go on for so long after the
// last answered heartbeat, nanoseconds; with 0 it is the lease. It is early by the
// margin of a lease: the server ends them from the receipt of that heartbeat.
func (c *Core) Term(ttl int64) int64 {
	if ttl == 0 {
		return c.lease
	}
	return max(c.lease, c.heard+ttl-margin(ttl))
}

// fresh is until when nobody else can have been given the shard of a hold.
func (c *Core) fresh(h *hold) int64 {
	if h.session != c.session {
		return h.ends
	}
	return c.Term(h.ttl)
}

// until is when the owner may act no more.
func (c *Core) until(h *hold) int64 {
	if h.endless() {
		return math.MaxInt64
	}
	return c.fresh(h)
}

// Until is when the callback of a shard may act no more, as far as time goes; 0 when
// it may not act now.
func (c *Core) Until(ref Ref) int64 {
	h := c.holds[ref]
	if h == nil || !h.running || h.stopped {
		return 0
	}
	return c.until(h)
}

// Stale reports whether a shard that is owned here may be another's by now.
func (c *Core) Stale(ref Ref, now int64) bool {
	h := c.holds[ref]
	return h != nil && h.running && h.endless() && now >= c.fresh(h)
}

// keep keeps what runs and goes on without the session that ends now. Its time is
// from then on that of this session: no answer to another prolongs it.
func (c *Core) keep(h *hold) bool {
	if h == nil || !h.running || !h.outlives() {
		return false
	}
	if h.session == c.session {
		h.ends = c.Term(h.ttl)
	}
	return true
}

// rebound ends what ran for an earlier session, to begin again with the new fence.
// The owner may finish what it is at: nobody else can have the shard before this
// node's session releases it. Its own time holds all the same.
func (c *Core) rebound(now int64, ref Ref, h *hold) Output {
	switch {
	case !h.stopped && now >= c.until(h):
		return c.lapse(ref, h)
	case h.ending != 0:
		return nil
	}
	return c.end(ref, h, EndRebound)
}

// nextEnd is the first end of what goes on for longer than the lease; 0 without one.
func (c *Core) nextEnd() (next int64) {
	for _, h := range c.holds {
		if h.running && !h.stopped && !h.endless() && h.ttl > 0 {
			next = sooner(next, c.until(h))
		}
	}
	return next
}

// sooner is the earlier of two times of which 0 is none.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
