package shard

import (
	"maps"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// decideAskRelease is the step from prepare to release (S7): it believes the
// target's present session alone, and a report with the present fence alone.
func (s *State) decideAskRelease(meta commands.Meta, c AskRelease, nodes Nodes) ([]*eventsv1.Event, error) {
	ns, err := s.live(c.Namespace)
	if err != nil {
		return nil, err
	}
	if len(c.Shards) > events.MaxAssigned {
		return nil, tooLarge("shards", len(c.Shards))
	}
	if c.Session == 0 || nodes.Session(c.NodeID) != c.Session {
		return nil, commands.Refuse("session_not_found", "node %q has no session %d now", c.NodeID, c.Session)
	}
	if err := nodes.Assignable(c.NodeID, ns.Spec.EligibleRole); err != nil {
		return nil, err
	}
	byCause := causes{}
	for _, p := range c.Shards {
		sh := ns.Shard(p.Shard)
		if sh != nil && sh.Preparing() && sh.MoveTo == c.NodeID && sh.Fence == p.Fence && p.Fence != 0 {
			byCause.add(sh.MoveCause, p.Shard)
		}
	}
	var evs []*eventsv1.Event
	byCause.each(func(cause eventsv1.ShardCause, ids []uint32) {
		e := &eventsv1.ShardMoveReleasing{Namespace: c.Namespace, Cause: cause, DeadlineMs: deadline(meta)}
		for _, g := range ns.byOwner(ids) {
			e.Moves = append(e.Moves, &eventsv1.ShardMove{From: g.node, To: c.NodeID, Shards: events.PackShards(g.ids)})
		}
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ShardMoveReleasing{ShardMoveReleasing: e}})
	})
	return evs, nil
}

// handOver splits what a node released into what goes straight to the target of
// its move, one fact for each cause, and the rest. A target that has not prepared
// gets its shards as any other node does: by an assignment.
func handOver(ns *Namespace, nodes Nodes, from Target) (evs []*eventsv1.Event, rest []uint32) {
	if ns.Deleting {
		return nil, from.Shards
	}
	b, byCause := newBinder(ns, nodes), causes{}
	for _, id := range from.Shards {
		sh := ns.Shard(id)
		if sh.Releasing() && b.assignable(sh.MoveTo, nodes.Session(sh.MoveTo)) == nil {
			byCause.add(sh.MoveCause, id)
		} else {
			rest = append(rest, id)
		}
	}
	byCause.each(func(cause eventsv1.ShardCause, ids []uint32) {
		e := &eventsv1.ShardsHandedOver{Namespace: ns.Name, Cause: cause}
		for _, g := range ns.byTarget(ids) {
			e.Handovers = append(e.Handovers, &eventsv1.ShardHandover{
				From: from.NodeID, FromSession: uint64(from.Session),
				To: g.node, ToSession: uint64(nodes.Session(g.node)), Shards: events.PackShards(g.ids),
			})
		}
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ShardsHandedOver{ShardsHandedOver: e}})
	})
	return evs, rest
}

// failMoves gives up moves, each stage with the cause of its own.
func failMoves(ns *Namespace, ids []uint32) []*eventsv1.Event {
	byCause := causes{}
	for _, id := range ids {
		cause := eventsv1.ShardCause_SHARD_CAUSE_OWNER_NOT_RELEASING
		if ns.Shard(id).Preparing() {
			cause = eventsv1.ShardCause_SHARD_CAUSE_TARGET_NOT_PREPARED
		}
		byCause.add(cause, id)
	}
	var evs []*eventsv1.Event
	byCause.each(func(cause eventsv1.ShardCause, ids []uint32) {
		evs = append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ShardMoveFailed{ShardMoveFailed: &eventsv1.ShardMoveFailed{
			Namespace: ns.Name, Shards: events.PackShards(ids), Cause: cause, HoldMs: uint32(MoveHold / time.Millisecond),
		}}})
	})
	return evs
}

// causes groups shards by why something happens to them.
type causes map[eventsv1.ShardCause][]uint32

func (c causes) add(cause eventsv1.ShardCause, id uint32) { c[cause] = append(c[cause], id) }

// each goes by the number of the cause: the same input gives the same events (S8).
// Its shards are ascending and once each.
func (c causes) each(fn func(eventsv1.ShardCause, []uint32)) {
	for _, cause := range slices.Sorted(maps.Keys(c)) {
		ids := c[cause]
		slices.Sort(ids)
		fn(cause, slices.Compact(ids))
	}
}

// group is some shards that have a node in common.
type group struct {
	node string
	ids  []uint32
}

func (ns *Namespace) byOwner(ids []uint32) []group {
	return ns.groups(ids, func(sh *Shard) string { return sh.Owner })
}

func (ns *Namespace) byTarget(ids []uint32) []group {
	return ns.groups(ids, func(sh *Shard) string { return sh.MoveTo })
}

// groups are in the order of nodes, shards keep theirs.
func (ns *Namespace) groups(ids []uint32, node func(*Shard) string) []group {
	by := map[string][]uint32{}
	for _, id := range ids {
		n := node(ns.Shard(id))
		by[n] = append(by[n], id)
	}
	out := make([]group, 0, len(by))
	for _, n := range slices.Sorted(maps.Keys(by)) {
		out = append(out, group{n, by[n]})
	}
	return out
}
