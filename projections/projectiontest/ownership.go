package projectiontest

import (
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// sessionEnds is the rule of commands/shard for a shard whose owner's session is
// closed, in words of its own.
func (ns *simNamespace) sessionEnds(sh *simShard, cause eventsv1.SessionCloseCause) {
	outlives := ns.ttlMs > 0 || ns.ownership == eventsv1.Ownership_OWNERSHIP_STICKY
	switch cause {
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT:
		outlives = false
	case eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED:
		outlives = ns.ownership == eventsv1.Ownership_OWNERSHIP_STICKY
	}
	if sh.forced && ns.ownership != eventsv1.Ownership_OWNERSHIP_LEASE {
		outlives = false
	}
	if sh.silent = outlives; !outlives {
		sh.owner, sh.session = "", 0
	}
}

// closing says of a session that it is going to be closed.
func (s *Sim) closing() []*eventsv1.Event {
	id, ok := pick(s, s.nodes, func(_ string, n *simNode) bool { return n.session != 0 && !n.closing })
	if !ok {
		return nil
	}
	s.nodes[id].closing = true
	return []*eventsv1.Event{{Kind: &eventsv1.Event_SessionClosing{SessionClosing: &eventsv1.SessionClosing{
		NodeId: id, Session: s.nodes[id].session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED,
	}}}}
}

// goesOn ends what an ended session still owns in a namespace, or binds it to the
// node's next session.
func (s *Sim) goesOn() []*eventsv1.Event {
	name, ok := s.active()
	if !ok {
		return nil
	}
	ns := s.namespaces[name]
	ids := ns.ids(func(sh simShard) bool { return sh.silent })
	if len(ids) == 0 {
		return nil
	}
	first := ns.shards[ids[0]]
	ids = ns.ids(func(sh simShard) bool { return sh.silent && sh.owner == first.owner && sh.session == first.session })
	if n := s.nodes[first.owner]; n.session != 0 && s.Draw(2) == 0 {
		for _, id := range ids {
			ns.shards[id].session, ns.shards[id].silent = n.session, false
		}
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
			Namespace: name, Cause: eventsv1.ShardCause_SHARD_CAUSE_REBOUND,
			Assignments: []*eventsv1.ShardAssignment{{NodeId: first.owner, Session: n.session, Shards: events.PackShards(ids)}},
		}}}}
	}
	for _, id := range ids {
		ns.shards[id].owner, ns.shards[id].session, ns.shards[id].silent = "", 0, false
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_OwnershipExpired{OwnershipExpired: &eventsv1.OwnershipExpired{
		NodeId: first.owner, Session: first.session, Namespaces: []string{name, fmt.Sprintf("ns%d", s.Draw(4))},
	}}}}
}
