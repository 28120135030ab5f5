package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// The namespaces that are owned otherwise than by a plain lease.
const (
	rideSpace, fencedSpace, briefSpace, stickySpace = "ride", "fenced", "brief", "sticky"
)

// modes brings them into being.
func (w *World) modes() []commands.Command {
	if w.cfg.Modes == 0 {
		return nil
	}
	of := func(name string, mode eventsv1.Ownership, ttl time.Duration) commands.Command {
		return shard.Create{Namespace: name, Spec: shard.Spec{ShardCount: w.cfg.Modes, Ownership: mode, OwnershipTTL: ttl, Readers: w.cfg.Readers}}
	}
	return []commands.Command{
		of(rideSpace, eventsv1.Ownership_OWNERSHIP_LEASE, w.cfg.Ride), of(fencedSpace, eventsv1.Ownership_OWNERSHIP_FENCED, w.cfg.Ride),
		of(briefSpace, eventsv1.Ownership_OWNERSHIP_FENCED, 0), of(stickySpace, eventsv1.Ownership_OWNERSHIP_STICKY, 0),
	}
}

// move asks for a move, now and then by force, in any namespace.
func (c *client) move(ids []uint32, to string) commands.Command {
	w := c.w
	m := shard.Move{Namespace: "demo", Shards: ids, To: to, Force: w.chance(0.15)}
	if w.cfg.Modes > 0 && w.chance(0.6) {
		m.Namespace = []string{rideSpace, fencedSpace, briefSpace, stickySpace}[w.rng.IntN(4)]
		m.Shards = []uint32{uint32(w.rng.IntN(int(w.cfg.Modes)))}
	}
	return m
}

// write has a member write to what it owns, at its resources.
func (p *process) write() {
	p.deliver(p.w.between(20*time.Millisecond, 400*time.Millisecond), p.write)
	for _, ref := range p.refs() {
		if p.clock().Boot < p.core.Until(ref) {
			p.w.check.writes(p, ref, uint64(p.owning[ref]))
		}
	}
}

// refs are what it may act on, in order.
func (p *process) refs() []member.Ref {
	refs := make([]member.Ref, 0, len(p.owning))
	for ref := range p.owning {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b member.Ref) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Shard, b.Shard))
	})
	return refs
}

// owning is what the checker knows of ownership modes.
type owning struct {
	specs   map[string]*eventsv1.NamespaceSpec
	closing map[uint64]bool     // sessions
	forced  map[member.Ref]bool // shards that an operator takes from their owner
	// taken are the shards that an operator took from an owner who may act on.
	taken map[member.Ref]bool
	// given says to whom the log gave a fence, writers which process acted with it,
	// and admitted the highest fence that the shard's resource has seen.
	given    map[write]string
	writers  map[write]*process
	admitted map[member.Ref]uint64
}

type write struct {
	ref   member.Ref
	fence uint64
}

func newOwning() owning {
	return owning{
		specs: map[string]*eventsv1.NamespaceSpec{}, closing: map[uint64]bool{}, forced: map[member.Ref]bool{}, taken: map[member.Ref]bool{},
		given: map[write]string{}, writers: map[write]*process{}, admitted: map[member.Ref]uint64{},
	}
}

func (c *checker) mode(ref member.Ref) eventsv1.Ownership {
	return c.specs[ref.Namespace].GetOwnership()
}

// mayBeTwo: fences keep apart whom a fenced ownership lets go on, and whom an operator
// passed over.
func (c *checker) mayBeTwo(ref member.Ref) bool {
	return c.mode(ref) == eventsv1.Ownership_OWNERSHIP_FENCED || c.taken[ref]
}

// sessionEnds is the table of commands/shard/DESIGN.md.
func (c *checker) sessionEnds(e *eventsv1.SessionClosed) {
	for ref, o := range c.owners {
		if o.session != e.Session {
			continue
		}
		if o.silent = c.outlives(ref, e.Cause); o.silent {
			c.owners[ref] = o
			c.w.did["silent owners"]++
			continue
		}
		if c.forced[ref] && c.mode(ref) != eventsv1.Ownership_OWNERSHIP_LEASE && c.lasts(ref) { // the close alone would have left it
			c.taken[ref] = true
		}
		delete(c.owners, ref)
	}
}

func (c *checker) outlives(ref member.Ref, cause eventsv1.SessionCloseCause) bool {
	switch {
	case cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT:
		return false
	case c.forced[ref] && c.mode(ref) != eventsv1.Ownership_OWNERSHIP_LEASE:
		return false
	case cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED:
		return c.mode(ref) == eventsv1.Ownership_OWNERSHIP_STICKY
	}
	return c.lasts(ref)
}

// lasts: the owner may act after its session, and does not call itself stale.
func (c *checker) lasts(ref member.Ref) bool {
	return c.mode(ref) == eventsv1.Ownership_OWNERSHIP_STICKY || c.specs[ref.Namespace].GetOwnershipTtlMs() > 0
}

// ownershipExpired checks that time ends only what is silent, nothing that is
// sticky, and nothing that somebody may still act on by a lease (S1).
func (c *checker) ownershipExpired(e *eventsv1.OwnershipExpired) {
	c.w.did["expired ownerships"]++
	for ref, o := range c.owners {
		if o.node != e.NodeId || o.session != e.Session || !slices.Contains(e.Namespaces, ref.Namespace) {
			continue
		}
		if !o.silent {
			c.w.fail("the ownership of %s/%d by the live session %d of %s expired", ref.Namespace, ref.Shard, o.session, o.node)
		}
		if c.mode(ref) == eventsv1.Ownership_OWNERSHIP_STICKY && c.sessions[o.node] != 0 {
			c.w.fail("V1: time ended the sticky ownership of %s/%d by %s", ref.Namespace, ref.Shard, o.node)
		}
		for _, p := range c.w.members {
			if c.mode(ref) == eventsv1.Ownership_OWNERSHIP_LEASE && p.alive && p.owning[ref] == int64(o.fence) && p.clock().Boot < p.core.Until(ref) {
				c.w.fail("S1: the ownership of %s/%d by %s expired while it may act with fence %d", ref.Namespace, ref.Shard, p.name, o.fence)
			}
		}
		delete(c.owners, ref)
	}
}

// rebinds checks that what is bound again is its own node's.
func (c *checker) rebinds(r events.Recorded, ref member.Ref, a *eventsv1.ShardAssignment) {
	c.w.did["rebound shards"]++
	if o := c.owners[ref]; o.node != a.NodeId || !o.silent || o.session >= a.Session || c.forced[ref] {
		c.w.fail("S1: %s/%d bound again to %s at %d, owned by %+v, forced %t", ref.Namespace, ref.Shard, a.NodeId, r.Position, o, c.forced[ref])
	}
}

// forces notes which shards an operator takes from their owners.
func (c *checker) forces(e *eventsv1.ShardMoveStarted) {
	for _, m := range e.Moves {
		events.EachShard(m.Shards, func(id uint32) {
			ref := member.Ref{Namespace: e.Namespace, Shard: id}
			if delete(c.forced, ref); e.Cause == eventsv1.ShardCause_SHARD_CAUSE_FORCED {
				c.forced[ref] = true
				c.w.did["forced moves"]++
			}
		})
	}
}

func (c *checker) unforce(namespace string, set *eventsv1.ShardSet) {
	events.EachShard(set, func(id uint32) { delete(c.forced, member.Ref{Namespace: namespace, Shard: id}) })
}

// passedOver: an operator took a shard from a silent owner.
func (c *checker) passedOver(ref member.Ref) {
	if c.mode(ref) == eventsv1.Ownership_OWNERSHIP_LEASE {
		c.w.fail("S1: a silent owner of %s/%d is passed over, owned by lease", ref.Namespace, ref.Shard)
	}
	c.taken[ref] = true
}

// writesAs checks that a fence is acted with by one process, whom the log gave it.
func (c *checker) writesAs(ref member.Ref, fence int64, p *process) {
	w := write{ref, uint64(fence)}
	if old := c.writers[w]; c.given[w] != p.name || old != nil && old != p {
		c.w.fail("S1: %s acts on %s/%d with fence %d, which the log gave to %s", p.name, ref.Namespace, ref.Shard, fence, c.given[w])
	}
	c.writers[w] = p
}

// writes is a write at the resource of a shard, which refuses a fence that is lower
// than one that it has seen (L3).
func (c *checker) writes(p *process, ref member.Ref, fence uint64) {
	stale := p.core.Stale(ref, p.clock().Boot)
	switch {
	case fence < c.admitted[ref]:
		c.w.did["writes refused by their fence"]++
		if c.mode(ref) == eventsv1.Ownership_OWNERSHIP_LEASE {
			c.w.fail("S1: %s writes to %s/%d with fence %d after fence %d did", p.name, ref.Namespace, ref.Shard, fence, c.admitted[ref])
		}
		if !stale && c.mode(ref) == eventsv1.Ownership_OWNERSHIP_FENCED && !c.taken[ref] {
			c.w.fail("%s writes to %s/%d with fence %d after fence %d did, and does not know that it is stale", p.name, ref.Namespace, ref.Shard, fence, c.admitted[ref])
		}
		return
	case stale:
		c.w.did["stale writes"]++
	}
	c.admitted[ref] = fence
	c.writesAs(ref, int64(fence), p)
}
