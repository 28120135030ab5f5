package projectiontest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func (s *Sim) createNamespace() []*eventsv1.Event {
	if len(s.namespaces) >= 3 {
		return nil
	}
	name := fmt.Sprintf("ns%d", s.Draw(4))
	if s.namespaces[name] != nil {
		return nil
	}
	ns := &simNamespace{strategy: "optimal", shards: make([]simShard, 1+s.Draw(s.MaxShards)), ownership: eventsv1.Ownership(1 + s.Draw(3))}
	if ns.ownership != eventsv1.Ownership_OWNERSHIP_STICKY {
		ns.ttlMs = uint32(s.Draw(2)) * 30_000
	}
	s.namespaces[name] = ns
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{Namespace: name, Spec: ns.spec()}}}}
}

func (ns *simNamespace) spec() *eventsv1.NamespaceSpec {
	return &eventsv1.NamespaceSpec{ShardCount: uint32(len(ns.shards)), StrategyId: ns.strategy, Ownership: ns.ownership, OwnershipTtlMs: ns.ttlMs, EligibleRole: "worker", Overlap: ns.overlap}
}

func (s *Sim) updateNamespace() []*eventsv1.Event {
	name, ok := s.active()
	if !ok {
		return nil
	}
	ns := s.namespaces[name]
	switch s.Draw(4) {
	case 0:
		ns.overlap = !ns.overlap
	case 1:
		ns.strategy = []string{"ring", "rendezvous", "optimal"}[s.Draw(3)]
	default:
		ns.shards = append(ns.shards, make([]simShard, s.Draw(4))...)
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceUpdated{NamespaceUpdated: &eventsv1.NamespaceUpdated{Namespace: name, Spec: ns.spec()}}}}
}

func (s *Sim) deleteNamespace() []*eventsv1.Event {
	if s.Draw(3) > 0 {
		return nil
	}
	name, ok := pick(s, s.namespaces, func(string, *simNamespace) bool { return true })
	if !ok {
		return nil
	}
	ns := s.namespaces[name]
	if !ns.deleting {
		ns.deleting = true
		for i := range ns.shards {
			ns.shards[i].moveTo, ns.shards[i].forced = "", false
		}
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceDeleting{NamespaceDeleting: &eventsv1.NamespaceDeleting{Namespace: name}}}}
	}
	if owned := ns.ids(func(sh simShard) bool { return sh.owner != "" }); len(owned) > 0 {
		return []*eventsv1.Event{s.released(name, owned)}
	}
	delete(s.namespaces, name)
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NamespaceDeleted{NamespaceDeleted: &eventsv1.NamespaceDeleted{Namespace: name}}}}
}

func (s *Sim) active() (string, bool) {
	return pick(s, s.namespaces, func(_ string, ns *simNamespace) bool { return !ns.deleting })
}

func (ns *simNamespace) ids(ok func(simShard) bool) []uint32 {
	var ids []uint32
	for i, sh := range ns.shards {
		if ok(sh) {
			ids = append(ids, uint32(i))
		}
	}
	return ids
}

// some draws a part of ids, at least one if there is one.
func (s *Sim) some(ids []uint32) []uint32 {
	if len(ids) == 0 {
		return nil
	}
	from := s.Draw(len(ids))
	return ids[from : from+1+s.Draw(len(ids)-from)]
}

// assign places what nobody owns on one or two nodes, in one event.
func (s *Sim) assign() []*eventsv1.Event {
	name, ok := s.active()
	if !ok {
		return nil
	}
	ns := s.namespaces[name]
	ids := s.some(ns.ids(func(sh simShard) bool { return sh.owner == "" && !sh.paused && !sh.out }))
	if len(ids) == 0 {
		return nil
	}
	cut := s.Draw(len(ids) + 1)
	var as []*eventsv1.ShardAssignment
	for _, part := range [][]uint32{ids[cut:], ids[:cut]} {
		id, ok := s.live()
		if !ok || len(part) == 0 {
			continue
		}
		as = append(as, s.bind(ns, id, part))
	}
	if len(as) == 0 {
		return nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{Namespace: name, Assignments: as, Cause: eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT}}}}
}

func (s *Sim) bind(ns *simNamespace, node string, ids []uint32) *eventsv1.ShardAssignment {
	for _, id := range ids {
		sh := &ns.shards[id]
		*sh = simShard{owner: node, session: s.nodes[node].session, paused: sh.paused}
	}
	return &eventsv1.ShardAssignment{NodeId: node, Session: s.nodes[node].session, Shards: events.PackShards(ids)}
}

func (s *Sim) released(name string, ids []uint32) *eventsv1.Event {
	ns := s.namespaces[name]
	by := map[string][]uint32{}
	for _, id := range ids {
		sh := &ns.shards[id]
		key := fmt.Sprintf("%s %d", sh.owner, sh.session)
		by[key] = append(by[key], id)
	}
	var rs []*eventsv1.ShardAssignment
	for _, key := range slices.Sorted(maps.Keys(by)) {
		sh := ns.shards[by[key][0]]
		rs = append(rs, &eventsv1.ShardAssignment{NodeId: sh.owner, Session: sh.session, Shards: events.PackShards(by[key])})
	}
	for _, id := range ids {
		ns.shards[id].owner, ns.shards[id].session, ns.shards[id].silent = "", 0, false
	}
	return &eventsv1.Event{Kind: &eventsv1.Event_ShardsReleased{ShardsReleased: &eventsv1.ShardsReleased{Namespace: name, Releases: rs}}}
}

func (s *Sim) move() []*eventsv1.Event {
	name, ok := s.active()
	to, live := s.live()
	if !ok || !live {
		return nil
	}
	ns := s.namespaces[name]
	ids := s.some(ns.ids(func(sh simShard) bool { return sh.owner != "" && sh.owner != to && sh.moveTo == "" && !sh.paused }))
	if len(ids) == 0 {
		return nil
	}
	from, cause := ns.shards[ids[0]].owner, eventsv1.ShardCause_SHARD_CAUSE_OPERATOR
	if s.Draw(3) == 0 {
		cause = eventsv1.ShardCause_SHARD_CAUSE_FORCED
	}
	var moved []uint32
	for _, id := range ids {
		if ns.shards[id].owner == from {
			ns.shards[id].moveTo, ns.shards[id].forced = to, cause == eventsv1.ShardCause_SHARD_CAUSE_FORCED
			moved = append(moved, id)
		}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardMoveStarted{ShardMoveStarted: &eventsv1.ShardMoveStarted{
		Namespace: name, Cause: cause, DeadlineMs: 1_800_000_000_000, HoldMs: uint32(s.Draw(2) * 600_000), Stage: eventsv1.MoveStage(s.Draw(2)),
		Moves: []*eventsv1.ShardMove{{From: from, To: to, Shards: events.PackShards(moved)}},
	}}}}
}

// askRelease is the step from prepare to release, of shards of one owner.
func (s *Sim) askRelease() []*eventsv1.Event {
	name, ids, to := s.moving()
	if len(ids) == 0 {
		return nil
	}
	from := s.namespaces[name].shards[ids[0]].owner
	ids = slices.DeleteFunc(ids, func(id uint32) bool { return s.namespaces[name].shards[id].owner != from })
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardMoveReleasing{ShardMoveReleasing: &eventsv1.ShardMoveReleasing{
		Namespace: name, DeadlineMs: 1_800_000_030_000,
		Moves: []*eventsv1.ShardMove{{From: from, To: to, Shards: events.PackShards(ids)}},
	}}}}
}

// moving picks shards that move to one node, which lives.
func (s *Sim) moving() (namespace string, ids []uint32, to string) {
	name, ok := s.active()
	if !ok {
		return "", nil, ""
	}
	ns := s.namespaces[name]
	moving := s.some(ns.ids(func(sh simShard) bool {
		return sh.owner != "" && sh.moveTo != "" && s.nodes[sh.moveTo].session != 0
	}))
	if len(moving) == 0 {
		return "", nil, ""
	}
	to = ns.shards[moving[0]].moveTo
	return name, slices.DeleteFunc(slices.Clone(moving), func(id uint32) bool { return ns.shards[id].moveTo != to }), to
}

// finishMove is the end of a handoff: handed over, or released and assigned, in
// one decision.
func (s *Sim) finishMove() []*eventsv1.Event {
	name, ids, to := s.moving()
	if len(ids) == 0 {
		return nil
	}
	ns := s.namespaces[name]
	release := s.released(name, ids)
	if s.Draw(2) == 0 {
		e := &eventsv1.ShardsHandedOver{Namespace: name}
		for _, r := range release.GetShardsReleased().Releases {
			e.Handovers = append(e.Handovers, &eventsv1.ShardHandover{
				From: r.NodeId, FromSession: r.Session, To: to, ToSession: s.nodes[to].session, Shards: r.Shards,
			})
		}
		s.bind(ns, to, ids)
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsHandedOver{ShardsHandedOver: e}}}
	}
	return []*eventsv1.Event{release, {Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
		Namespace: name, Assignments: []*eventsv1.ShardAssignment{s.bind(ns, to, ids)},
	}}}}
}

func (s *Sim) endMove() []*eventsv1.Event {
	name, ok := s.active()
	if !ok {
		return nil
	}
	ns := s.namespaces[name]
	ids := s.some(ns.ids(func(sh simShard) bool { return sh.moveTo != "" }))
	for _, id := range ids {
		ns.shards[id].moveTo, ns.shards[id].forced = "", false
	}
	switch {
	case len(ids) == 0:
		return nil
	case s.Draw(2) == 0:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardMoveFailed{ShardMoveFailed: &eventsv1.ShardMoveFailed{Namespace: name, Shards: events.PackShards(ids), HoldMs: 1000}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardMoveCancelled{ShardMoveCancelled: &eventsv1.ShardMoveCancelled{Namespace: name, Shards: events.PackShards(ids)}}}}
}

// read takes a reader from shards, or gives them one.
func (s *Sim) read() []*eventsv1.Event {
	name, ok := s.active()
	node, live := s.live()
	if !ok || !live {
		return nil
	}
	ns := s.namespaces[name]
	ids := s.some(ns.ids(func(sh simShard) bool { return sh.owner != node }))
	if len(ids) == 0 {
		return nil
	}
	as := []*eventsv1.ShardAssignment{{NodeId: node, Session: s.nodes[node].session, Shards: events.PackShards(ids)}}
	if s.Draw(3) == 0 {
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ReadersReleased{ReadersReleased: &eventsv1.ReadersReleased{Namespace: name, Releases: as}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ReadersAssigned{ReadersAssigned: &eventsv1.ReadersAssigned{Namespace: name, Assignments: as}}}}
}

func (s *Sim) pause() []*eventsv1.Event {
	name, ok := s.active()
	if !ok {
		return nil
	}
	ns := s.namespaces[name]
	pause := s.Draw(2) == 0
	ids := s.some(ns.ids(func(sh simShard) bool { return sh.paused != pause && !sh.out }))
	for _, id := range ids {
		ns.shards[id].paused = pause
	}
	switch {
	case len(ids) == 0:
		return nil
	case pause:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsPaused{ShardsPaused: &eventsv1.ShardsPaused{Namespace: name, Shards: events.PackShards(ids)}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsResumed{ShardsResumed: &eventsv1.ShardsResumed{Namespace: name, Shards: events.PackShards(ids)}}}}
}
