package shard

import (
	"time"

	"github.com/tidwall/btree"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Evolve applies a recorded event; those of other contexts change nothing, but
// for SessionClosed, which releases what the session owned as the ownership modes
// say, and the policy of quarantine, which says what counts against a shard.
func (s *State) Evolve(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_NamespaceCreated:
		s.create(e.NamespaceCreated)
	case *eventsv1.Event_NamespaceUpdated:
		s.update(e.NamespaceUpdated)
	case *eventsv1.Event_NamespaceDeleting:
		s.deleting(e.NamespaceDeleting.Namespace)
	case *eventsv1.Event_NamespaceDeleted:
		if ns := s.writable(e.NamespaceDeleted.Namespace); ns != nil {
			s.end(ns)
		}
	case *eventsv1.Event_ShardsAssigned:
		s.assigned(r, e.ShardsAssigned)
	case *eventsv1.Event_ShardsReleased:
		s.released(r.Time, e.ShardsReleased)
	case *eventsv1.Event_ShardMoveStarted:
		s.moveStarted(e.ShardMoveStarted)
	case *eventsv1.Event_ShardMoveReleasing:
		s.moveReleasing(e.ShardMoveReleasing)
	case *eventsv1.Event_ShardsHandedOver:
		s.handedOver(r, e.ShardsHandedOver)
	case *eventsv1.Event_ShardMoveFailed:
		held := r.Time + int64(e.ShardMoveFailed.HoldMs)*int64(time.Millisecond)
		s.each(e.ShardMoveFailed.Namespace, e.ShardMoveFailed.Shards, func(sh *Shard) {
			sh.endMove()
			sh.HeldUntil = held
			sh.Stuck = e.ShardMoveFailed.Cause
		})
	case *eventsv1.Event_ShardMoveCancelled:
		s.each(e.ShardMoveCancelled.Namespace, e.ShardMoveCancelled.Shards, (*Shard).endMove)
	case *eventsv1.Event_ShardsPaused:
		s.each(e.ShardsPaused.Namespace, e.ShardsPaused.Shards, func(sh *Shard) { sh.Paused = true })
	case *eventsv1.Event_ShardsResumed:
		s.each(e.ShardsResumed.Namespace, e.ShardsResumed.Shards, func(sh *Shard) { sh.Paused = false })
	case *eventsv1.Event_ShardsQuarantined:
		s.each(e.ShardsQuarantined.Namespace, e.ShardsQuarantined.Shards, func(sh *Shard) {
			sh.endMove()
			sh.QuarantinedAt, sh.Readers = r.Time, ""
		})
	case *eventsv1.Event_ShardsUnquarantined:
		s.each(e.ShardsUnquarantined.Namespace, e.ShardsUnquarantined.Shards, func(sh *Shard) { sh.QuarantinedAt, sh.Deaths = 0, 0 })
	case *eventsv1.Event_PolicySet:
		s.policySet(e.PolicySet)
	case *eventsv1.Event_ReadersAssigned:
		for _, a := range e.ReadersAssigned.Assignments {
			s.each(e.ReadersAssigned.Namespace, a.Shards, func(sh *Shard) { sh.read(a.NodeId, events.Position(a.Session)) })
		}
	case *eventsv1.Event_ReadersReleased:
		for _, a := range e.ReadersReleased.Releases {
			s.each(e.ReadersReleased.Namespace, a.Shards, func(sh *Shard) { sh.Readers = sh.Readers.Without(a.NodeId) })
		}
	case *eventsv1.Event_SessionClosed:
		s.sessionClosed(r.Time, e.SessionClosed)
	case *eventsv1.Event_OwnershipExpired:
		s.ownershipExpired(r.Time, e.OwnershipExpired)
	}
}

func (sh *Shard) endMove() {
	sh.MoveTo, sh.MoveDeadline, sh.MoveHold, sh.MoveCause, sh.MoveStage = "", 0, 0, 0, 0
}

func (sh *Shard) unown() {
	sh.LastOwner, sh.Owner, sh.Session, sh.Silent, sh.Stuck = sh.Owner, "", 0, false, 0
}

func (s *State) each(name string, set *eventsv1.ShardSet, fn func(*Shard)) {
	if ns := s.writable(name); ns != nil {
		events.EachShard(set, func(id uint32) { ns.edit(id, fn) })
	}
}

func fromSpec(p *eventsv1.NamespaceSpec) Spec {
	return Spec{
		ShardCount: p.GetShardCount(), Strategy: p.GetStrategyId(), Ownership: p.GetOwnership(),
		OwnershipTTL: time.Duration(p.GetOwnershipTtlMs()) * time.Millisecond,
		EligibleRole: p.GetEligibleRole(), CapacityHint: p.GetCapacityHint(), Overlap: p.GetOverlap(),
		Rules: rulesOf(p.GetRules()), Readers: p.GetReaders(), LoadBound: p.GetLoadBoundPermille(),
	}
}

func (s *State) create(e *eventsv1.NamespaceCreated) {
	if s.token == nil {
		panic("shard: evolve of a frozen state")
	}
	ns := &Namespace{Name: e.Namespace, Version: max(1, e.Version), token: s.token, Spec: fromSpec(e.Spec)}
	count := ns.Spec.ShardCount
	ns.Spec.ShardCount = 0
	ns.grow(count)
	s.put(ns)
}

// end forgets a namespace but for its version: a condition on it must not fit
// another of the name.
func (s *State) end(ns *Namespace) {
	before := s.lastVersion(ns.Name)
	if _, known := s.ended.Get(ns.Name); !known && s.ended.Len() >= maxEnded {
		s.ended.Scan(func(_ string, version uint64) bool {
			s.floor = max(s.floor, version)
			return true
		})
		s.ended = btree.Map[string, uint64]{}
	}
	s.ended.Set(ns.Name, max(before, ns.Version))
	s.remove(ns.Name)
}

// lastVersion is a version that no namespace of the name, which may be none, has
// passed in an earlier life.
func (s *State) lastVersion(name string) uint64 {
	version, _ := s.ended.Get(name)
	return max(version, s.floor)
}

// update touches every shard when what a shard's record shows has changed.
func (s *State) update(e *eventsv1.NamespaceUpdated) {
	ns := s.writable(e.Namespace)
	if ns == nil {
		return
	}
	old, spec := ns.Spec, fromSpec(e.Spec)
	if old.Strategy != spec.Strategy || old.CapacityHint != spec.CapacityHint || old.Overlap != spec.Overlap {
		for id := range old.ShardCount {
			ns.edit(id, func(*Shard) {})
		}
	}
	count := spec.ShardCount
	spec.ShardCount = old.ShardCount
	ns.Spec = spec
	ns.grow(count)
	s.total += int(ns.Len() - old.ShardCount)
	ns.Version++
}

func (s *State) deleting(name string) {
	ns := s.writable(name)
	if ns == nil {
		return
	}
	ns.Deleting = true
	ns.Version++
	for id := range ns.Spec.ShardCount {
		ns.edit(id, func(sh *Shard) {
			sh.endMove()
			sh.Readers = ""
		})
	}
}

func (s *State) assigned(r events.Recorded, e *eventsv1.ShardsAssigned) {
	for _, a := range e.Assignments {
		s.each(e.Namespace, a.Shards, func(sh *Shard) {
			if e.Cause == eventsv1.ShardCause_SHARD_CAUSE_REBOUND { // which only binds anew
				sh.own(a.NodeId, events.Position(a.Session), r)
				return
			}
			sh.let(r.Time, s.quarantine)
			sh.bind(a.NodeId, events.Position(a.Session), r)
		})
	}
}

// bind gives an unowned shard to a session; the position is the fence.
func (sh *Shard) bind(node string, session events.Position, r events.Recorded) {
	sh.hold(node, r.Time)
	sh.endMove()
	sh.own(node, session, r)
}

func (sh *Shard) own(node string, session events.Position, r events.Recorded) {
	sh.Owner, sh.Session, sh.Fence, sh.LastOwner, sh.Silent = node, session, r.Position, "", false
	sh.Readers = sh.Readers.Without(node)
	if sh.AssignedAt == 0 { // else the same node has had it all the time
		sh.AssignedAt = r.Time
	}
}

// hold begins with an assignment that a move asked for, ends with one to another
// node, and stays over one that gives the shard back to who had it (S9).
func (sh *Shard) hold(node string, now int64) {
	switch {
	case sh.MoveTo == node && sh.MoveHold > 0:
		sh.HeldUntil = now + sh.MoveHold
	case sh.MoveTo == node || sh.LastOwner != node:
		sh.HeldUntil = 0
	}
}

func (s *State) released(now int64, e *eventsv1.ShardsReleased) {
	for _, a := range e.Releases {
		s.each(e.Namespace, a.Shards, func(sh *Shard) {
			sh.let(now, s.quarantine)
			sh.unown()
		})
	}
}

func (s *State) moveStarted(e *eventsv1.ShardMoveStarted) {
	for _, m := range e.Moves {
		s.each(e.Namespace, m.Shards, func(sh *Shard) {
			sh.MoveTo, sh.MoveCause, sh.MoveStage = m.To, e.Cause, e.Stage
			sh.MoveDeadline = e.DeadlineMs * int64(time.Millisecond)
			sh.MoveHold = int64(e.HoldMs) * int64(time.Millisecond)
		})
	}
}

// leave takes from a session that ends its part in a shard, and returns in how
// many ways the node had one. end is what becomes of a shard that it owned.
func (ns *Namespace) leave(id uint32, node string, session events.Position, end func(*Shard)) int {
	sh := ns.Shard(id)
	owns, reads := sh.Owner == node, sh.Readers.Session(node) != 0
	if owns && sh.Session == session {
		ns.edit(id, end)
	}
	if reads && ns.Shard(id).Readers.Session(node) == session {
		ns.edit(id, func(sh *Shard) { sh.Readers = sh.Readers.Without(node) })
	}
	return count(owns) + count(reads)
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
