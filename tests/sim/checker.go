package sim

import (
	"bytes"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/placer"
	"github.com/omnirelay/omnirelay/store"
)

// checker reads the log as it is stored, with maps of its own, and the traces
// of the members.
type checker struct {
	w    *World
	mark store.Mark
	// stored is when the last message was seen on the log, true time.
	stored int64
	// replica replays the log without the protocol (T2).
	replica *model.Model

	sessions map[string]uint64
	closed   map[string]string  // nodes that take nothing new: their lifecycle
	holders  map[string]holding // scope → who holds it
	terms    map[string]uint64  // scope → highest term
	owners   map[member.Ref]ownership
	fences   map[member.Ref]uint64 // highest fence
	spaces   map[string]bool       // namespace → is being deleted
	keys     map[string]events.Position

	tenure
	owning
	handoffs
	later
}

type holding struct{ term, session uint64 }

type ownership struct {
	node           string
	session, fence uint64
	silent         bool
}

func newChecker(w *World) *checker {
	return &checker{
		w: w, replica: model.New(), sessions: map[string]uint64{}, closed: map[string]string{},
		holders: map[string]holding{}, terms: map[string]uint64{}, owners: map[member.Ref]ownership{},
		fences: map[member.Ref]uint64{}, spaces: map[string]bool{}, keys: map[string]events.Position{},
		tenure: newTenure(), owning: newOwning(), handoffs: newHandoffs(), later: newLater(),
	}
}

// log checks every message that was stored since the last look.
func (c *checker) log() {
	for _, m := range c.w.log.Messages(c.mark.Sequence+1, 1000) {
		frame, next, err := c.mark.Verify(m)
		if err != nil {
			c.w.fail("T1: %v", err)
			return
		}
		c.mark, c.stored = next, c.w.now
		c.replica.EvolveFrame(frame)
		_ = events.Each(frame, func(r events.Recorded) error { c.event(r); return nil })
		c.counts()
	}
}

func (c *checker) event(r events.Recorded) {
	c.w.tracef("  %d %s by %s: %s", r.Position, events.TypeOf(r.Event), r.Meta.Actor, events.Describe(r.Event).Summary)
	if r.Meta.Actor == "" {
		c.w.fail("C4: the event at %d has no actor", r.Position)
	}
	c.key(r)
	c.handoff(r)
	c.laterEvent(r)
	c.readerEvent(r)
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_SessionOpened:
		if old := c.sessions[e.SessionOpened.NodeId]; old != 0 {
			c.w.fail("session of %s opened at %d while %d lives", e.SessionOpened.NodeId, r.Position, old)
		}
		c.sessions[e.SessionOpened.NodeId] = uint64(r.Position)
	case *eventsv1.Event_SessionClosing:
		if c.sessions[e.SessionClosing.NodeId] != e.SessionClosing.Session || c.closing[e.SessionClosing.Session] {
			c.w.fail("session %d of %s is going to be closed, the live one is %d", e.SessionClosing.Session, e.SessionClosing.NodeId, c.sessions[e.SessionClosing.NodeId])
		}
		c.closing[e.SessionClosing.Session] = true
		c.w.did["closing sessions"]++
	case *eventsv1.Event_SessionClosed:
		c.sessionClosed(e.SessionClosed)
	case *eventsv1.Event_NodeCordoned:
		c.closed[e.NodeCordoned.NodeId] = "cordoned"
	case *eventsv1.Event_NodeUncordoned:
		delete(c.closed, e.NodeUncordoned.NodeId)
	case *eventsv1.Event_NodeDrainStarted:
		c.closed[e.NodeDrainStarted.NodeId] = "draining"
	case *eventsv1.Event_NodeDrainCancelled:
		delete(c.closed, e.NodeDrainCancelled.NodeId)
	case *eventsv1.Event_NodeDrained:
		c.drained(e.NodeDrained.NodeId)
	case *eventsv1.Event_LeadershipGranted:
		c.granted(r, e.LeadershipGranted)
	case *eventsv1.Event_LeadershipResigned:
		c.ended(e.LeadershipResigned.Scope, e.LeadershipResigned.Term)
	case *eventsv1.Event_LeadershipExpired:
		c.ended(e.LeadershipExpired.Scope, e.LeadershipExpired.Term)
	case *eventsv1.Event_NamespaceCreated:
		c.spaces[e.NamespaceCreated.Namespace] = false
		c.specs[e.NamespaceCreated.Namespace] = e.NamespaceCreated.Spec
	case *eventsv1.Event_NamespaceDeleting:
		c.spaces[e.NamespaceDeleting.Namespace] = true
	case *eventsv1.Event_NamespaceDeleted:
		c.namespaceDeleted(e.NamespaceDeleted.Namespace)
	case *eventsv1.Event_ShardsAssigned:
		c.assigned(r, e.ShardsAssigned)
	case *eventsv1.Event_ShardsReleased:
		c.released(r, e.ShardsReleased)
	case *eventsv1.Event_OwnershipExpired:
		c.ownershipExpired(e.OwnershipExpired)
	case *eventsv1.Event_ShardMoveStarted:
		c.forces(e.ShardMoveStarted)
	case *eventsv1.Event_ShardMoveCancelled:
		c.unforce(e.ShardMoveCancelled.Namespace, e.ShardMoveCancelled.Shards)
	case *eventsv1.Event_ShardMoveFailed:
		c.unforce(e.ShardMoveFailed.Namespace, e.ShardMoveFailed.Shards)
	}
}

// key checks that a key has one effect (A2).
func (c *checker) key(r events.Recorded) {
	if len(r.Meta.IdempotencyKey) == 0 || r.Position != r.Decision {
		return
	}
	id := string(r.Meta.IdempotencyKey) + r.Meta.Actor
	if old, ok := c.keys[id]; ok {
		c.w.fail("A2: one key has effects at %d and %d", old, r.Position)
	}
	c.keys[id] = r.Position
}

func (c *checker) sessionClosed(e *eventsv1.SessionClosed) {
	if c.sessions[e.NodeId] != e.Session {
		c.w.fail("session %d of %s closed, the live one is %d", e.Session, e.NodeId, c.sessions[e.NodeId])
	}
	delete(c.sessions, e.NodeId)
	if e.Cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED || e.Cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED {
		for _, p := range c.w.members {
			if p.name == e.NodeId && p.holdsLease(e.Session) {
				c.w.fail("session %d of %s expired while its lease lives", e.Session, e.NodeId)
			}
		}
		c.w.did["expired sessions"]++
		c.expired(e)
	}
	for scope, h := range c.holders {
		if h.session == e.Session {
			delete(c.holders, scope)
		}
	}
	c.sessionEnds(e)
}

func (c *checker) granted(r events.Recorded, e *eventsv1.LeadershipGranted) {
	if old, held := c.holders[e.Scope]; held {
		c.w.fail("L1, L4: %s granted at %d while term %d holds", e.Scope, r.Position, old.term)
	}
	if uint64(r.Position) <= c.terms[e.Scope] {
		c.w.fail("L2: term %d of %s follows %d", r.Position, e.Scope, c.terms[e.Scope])
	}
	if e.Scope != events.GlobalScope && c.sessions[e.NodeId] != e.Session {
		c.w.fail("%s granted to session %d of %s, the live one is %d", e.Scope, e.Session, e.NodeId, c.sessions[e.NodeId])
	}
	if e.Scope == events.GlobalScope {
		c.w.did["control leaders"]++
		c.grantedAt = c.w.now
	}
	c.holders[e.Scope], c.terms[e.Scope] = holding{uint64(r.Position), e.Session}, uint64(r.Position)
}

func (c *checker) ended(scope string, term uint64) {
	if c.holders[scope].term != term {
		c.w.fail("%s: term %d ends, %d holds", scope, term, c.holders[scope].term)
	}
	delete(c.holders, scope)
}

func (c *checker) namespaceDeleted(name string) {
	if !c.spaces[name] {
		c.w.fail("namespace %s deleted without NamespaceDeleting", name)
	}
	for ref := range c.owners {
		if ref.Namespace == name {
			c.w.fail("S1: namespace %s deleted while %s owns shard %d", name, c.owners[ref].node, ref.Shard)
		}
	}
	delete(c.spaces, name)
}

func (c *checker) assigned(r events.Recorded, e *eventsv1.ShardsAssigned) {
	if deleting, ok := c.spaces[e.Namespace]; !ok || deleting {
		c.w.fail("shards of %s assigned, which is not there or being deleted", e.Namespace)
	}
	for _, a := range e.Assignments {
		rebound := e.Cause == eventsv1.ShardCause_SHARD_CAUSE_REBOUND
		if c.sessions[a.NodeId] != a.Session || c.closing[a.Session] || c.closed[a.NodeId] != "" && !rebound {
			c.w.fail("S3: assigned to session %d of %s (live %d, it is %q)", a.Session, a.NodeId, c.sessions[a.NodeId], c.closed[a.NodeId])
		}
		events.EachShard(a.Shards, func(id uint32) {
			ref := member.Ref{Namespace: e.Namespace, Shard: id}
			if rebound {
				c.rebinds(r, ref, a)
			} else if o, owned := c.owners[ref]; owned {
				c.w.fail("S1: %s/%d assigned to %s while %s owns it", e.Namespace, id, a.NodeId, o.node)
			}
			if uint64(r.Position) <= c.fences[ref] {
				c.w.fail("L2: fence %d of %s/%d follows %d", r.Position, e.Namespace, id, c.fences[ref])
			}
			c.fences[ref] = uint64(r.Position)
			c.owners[ref] = ownership{node: a.NodeId, session: a.Session, fence: uint64(r.Position)}
			c.given[write{ref, uint64(r.Position)}] = a.NodeId
			if !rebound {
				delete(c.forced, ref)
			}
		})
	}
}

func (c *checker) released(r events.Recorded, e *eventsv1.ShardsReleased) {
	for _, a := range e.Releases {
		events.EachShard(a.Shards, func(id uint32) {
			ref := member.Ref{Namespace: e.Namespace, Shard: id}
			o := c.owners[ref]
			if o.node != a.NodeId || o.session != a.Session {
				c.w.fail("S7: %s/%d released at %d by %s, owned by %s", e.Namespace, id, r.Position, a.NodeId, o.node)
			}
			if r.Meta.Command == (shard.Move{}).CommandName() && o.silent { // and no report of its owner
				c.passedOver(ref)
				delete(c.owners, ref)
				return
			}
			for _, p := range c.w.members {
				if p.name == a.NodeId && p.alive && uint64(p.core.Session()) == a.Session && p.running[ref] == int64(o.fence) {
					c.w.fail("S7: the release of %s/%d fence %d is logged while %s runs it", e.Namespace, id, o.fence, p.name)
				}
			}
			delete(c.owners, ref)
		})
	}
}

// counts checks what the model keeps of itself against the checker's own maps.
func (c *checker) counts() {
	owned := 0
	c.replica.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		n := 0
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			o := c.owners[member.Ref{Namespace: ns.Name, Shard: id}]
			if o.node != sh.Owner || o.session != uint64(sh.Session) {
				c.w.fail("the model says %q owns %s/%d, the log says %q", sh.Owner, ns.Name, id, o.node)
			}
			if sh.Owner != "" {
				n++
			}
			return true
		})
		if int(ns.Len())-ns.Unowned() != n {
			c.w.fail("namespace %s counts %d unowned shards, %d are owned of %d", ns.Name, ns.Unowned(), n, ns.Len())
		}
		owned += n
		return true
	})
	if owned != len(c.owners) {
		c.w.fail("the model has %d owned shards, the log %d", owned, len(c.owners))
	}
}

// owns checks that nobody else owns what a member starts, or resumes, to own
// (S1 on the nodes' own traces): a callback that runs under a lease that lives.
func (c *checker) owns(p *process, ref member.Ref, fence int64) {
	c.writesAs(ref, fence, p)
	for _, o := range c.w.members {
		if o == p || !o.alive || c.mayBeTwo(ref) || o.clock().Boot >= o.core.Until(ref) {
			continue
		}
		if other, owns := o.owning[ref]; owns {
			c.w.fail("S1: %s owns %s/%d with fence %d while %s owns it with fence %d", p.name, ref.Namespace, ref.Shard, fence, o.name, other)
		}
	}
}

// atRest checks what must hold when nothing goes wrong any more.
func (c *checker) atRest() {
	leader := c.leader()
	if leader == nil {
		c.w.fail("L5: no server leads with authority")
		return
	}
	c.replicas(leader)
	c.answers()
	c.shardsAtRest(leader)
	c.drainsAtRest(leader)
	c.readersAtRest(leader)
	c.schedulesAtRest(leader)
	for _, scope := range simScopes() {
		sc, ok := c.replica.Leadership.Scope(scope)
		if !ok || sc.Holder != "" {
			continue
		}
		for _, cand := range sc.Candidates {
			if c.closed[cand.NodeID] == "" {
				c.w.fail("L5: %s is vacant and %s is a candidate", scope, cand.NodeID)
			}
		}
	}
}

func (c *checker) leader() *server {
	var found *server
	for _, s := range c.w.servers {
		if s.authority() {
			if found != nil {
				c.w.fail("L1: %s and %s lead with authority", found.name, s.name)
			}
			found = s
		}
	}
	return found
}

// replicas checks T2, T4 and T5: every server has come to the head of the log and
// has evolved the same model, byte for byte, as a replay of it, and knows who
// leads.
func (c *checker) replicas(leader *server) {
	want, err := c.replica.Image()
	if err != nil {
		c.w.fail("image: %v", err)
	}
	for _, s := range c.w.servers {
		v := s.core.View()
		if v.Mark.Sequence != c.mark.Sequence {
			if c.w.quiet && c.w.now-c.stored > int64(250*time.Millisecond) { // else what a schedule did is on its way
				c.w.fail("%s is at message %d at rest, the log ends at %d", s.name, v.Mark.Sequence, c.mark.Sequence)
			}
			continue // still a few milliseconds behind
		}
		if got, _ := v.Model.Image(); !bytes.Equal(got, want) {
			c.w.fail("T2: the model of %s at %d differs from a replay", s.name, v.Mark.Position)
		}
		if v.Mark.Hash != c.mark.Hash {
			c.w.fail("T1: the head of %s is %s, the log's %s", s.name, v.Mark.Hash, c.mark.Hash)
		}
		if name, known := s.leader(); !known || name != leader.name {
			c.w.fail("%s takes %q for the leader (%t), %s leads", s.name, name, known, leader.name)
		}
	}
}

// answers checks A1 and A2: what was acknowledged is in the log, once, at the
// position that was said; what was refused is not, unless another attempt was
// still on its way: a refusal is not remembered.
func (c *checker) answers() {
	for _, cl := range c.w.clients {
		for _, o := range cl.ops {
			at, stored := c.keys[string(o.request.Key[:])+cl.name]
			switch {
			case o.position != 0 && at != o.position:
				c.w.fail("A1: %s was acknowledged at %d, the log has it at %d", o.request.Command.CommandName(), o.position, at)
			case stored && o.position == 0 && !o.open && o.told == o.attempts:
				c.w.fail("A2: each of %d attempts of %s was refused or not tried, the log has it at %d",
					o.attempts, o.request.Command.CommandName(), at)
			}
		}
	}
}

// shardsAtRest checks that every shard that can be owned is, on the log and on
// its node, and that the load is even (S6).
func (c *checker) shardsAtRest(leader *server) {
	v := leader.core.View()
	now := leader.clock().Wall
	byName := map[string]*process{}
	for _, p := range c.w.members {
		byName[p.name] = p
	}
	v.Model.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		if ns.Deleting {
			c.w.fail("namespace %s is still being deleted", ns.Name)
			return false
		}
		var nodes []placer.Node
		loads := map[string]int{}
		for _, p := range c.w.members {
			if v.Model.Assignable(p.name, ns.Spec.EligibleRole) == nil {
				nodes = append(nodes, placer.Node{})
				loads[p.name] = 0
			}
		}
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			if sh.Owner == "" {
				if len(nodes) > 0 && !sh.Paused && !sh.Quarantined() {
					c.w.fail("S2: %s/%d has no owner at rest", ns.Name, id)
				}
				return true
			}
			if sh.Quarantined() { // a sticky one, which its node does not serve
				return true
			}
			if fence, ok := byName[sh.Owner].core.Owns(member.Ref{Namespace: ns.Name, Shard: id}, byName[sh.Owner].clock().Boot); !ok || fence != int64(sh.Fence) {
				c.w.fail("%s/%d is assigned to %s with fence %d, which owns it: %t with fence %d", ns.Name, id, sh.Owner, sh.Fence, ok, fence)
			}
			if _, counts := loads[sh.Owner]; counts && !sh.Paused && sh.HeldUntil <= now {
				loads[sh.Owner]++
			}
			return true
		})
		if ns.Spec.Strategy == "optimal" && ns.Moving() == 0 {
			c.even(ns.Name, loads)
		}
		return true
	})
}

func (c *checker) even(name string, loads map[string]int) {
	lo, hi := int(^uint(0)>>1), 0
	for _, n := range loads {
		lo, hi = min(lo, n), max(hi, n)
	}
	if len(loads) > 0 && hi-lo > 1 {
		c.w.fail("S6: namespace %s is uneven at rest: %v", name, fmt.Sprint(loads))
	}
}
