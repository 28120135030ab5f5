package sim

import (
	"fmt"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// handoffs is what the log and the traces say of moves in flight (S7).
type handoffs struct {
	moves map[member.Ref]*shardMove
	// prepared are the preparations that returned on a node, by node, shard and
	// fence of the owner. A log without members has no such traces.
	prepared map[string]bool
}

// shardMove is one move in flight.
type shardMove struct {
	to    string
	asked bool // the owner is asked to release
	facts int  // events that named it
}

func newHandoffs() handoffs {
	return handoffs{moves: map[member.Ref]*shardMove{}, prepared: map[string]bool{}}
}

func preparedKey(node string, ref member.Ref, fence uint64) string {
	return fmt.Sprintf("%s %s/%d %d", node, ref.Namespace, ref.Shard, fence)
}

// prepares notes that a preparation returned on a node.
func (c *checker) prepares(p *process, ref member.Ref, fence int64) {
	c.prepared[preparedKey(p.name, ref, uint64(fence))] = true
}

// handoff follows moves through the log.
func (c *checker) handoff(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_ShardMoveStarted:
		for _, m := range e.ShardMoveStarted.Moves {
			c.moveStarted(e.ShardMoveStarted, m)
		}
	case *eventsv1.Event_ShardMoveReleasing:
		for _, m := range e.ShardMoveReleasing.Moves {
			c.moveReleasing(r, e.ShardMoveReleasing.Namespace, m)
		}
	case *eventsv1.Event_ShardsHandedOver:
		for _, h := range e.ShardsHandedOver.Handovers {
			c.handedOver(r, e.ShardsHandedOver.Namespace, h)
		}
	case *eventsv1.Event_ShardMoveFailed:
		c.moveEnds(e.ShardMoveFailed.Namespace, e.ShardMoveFailed.Shards)
	case *eventsv1.Event_ShardMoveCancelled:
		c.moveEnds(e.ShardMoveCancelled.Namespace, e.ShardMoveCancelled.Shards)
	case *eventsv1.Event_ShardsAssigned:
		if e.ShardsAssigned.Cause == eventsv1.ShardCause_SHARD_CAUSE_REBOUND {
			return // a move goes on
		}
		for _, a := range e.ShardsAssigned.Assignments {
			c.moveEnds(e.ShardsAssigned.Namespace, a.Shards)
		}
	case *eventsv1.Event_NamespaceDeleting:
		for ref := range c.moves {
			if ref.Namespace == e.NamespaceDeleting.Namespace {
				delete(c.moves, ref)
			}
		}
	}
}

func (c *checker) moveEnds(namespace string, set *eventsv1.ShardSet) {
	events.EachShard(set, func(id uint32) { delete(c.moves, member.Ref{Namespace: namespace, Shard: id}) })
}

func (c *checker) moveStarted(e *eventsv1.ShardMoveStarted, m *eventsv1.ShardMove) {
	events.EachShard(m.Shards, func(id uint32) {
		ref := member.Ref{Namespace: e.Namespace, Shard: id}
		if c.owners[ref].node != m.From {
			c.w.fail("S7: a move of %s/%d from %q starts, owned by %q", e.Namespace, id, m.From, c.owners[ref].node)
		}
		c.moves[ref] = &shardMove{to: m.To, asked: e.Stage == eventsv1.MoveStage_MOVE_STAGE_UNSPECIFIED, facts: 1}
	})
}

func (c *checker) moveReleasing(r events.Recorded, namespace string, m *eventsv1.ShardMove) {
	events.EachShard(m.Shards, func(id uint32) {
		ref := member.Ref{Namespace: namespace, Shard: id}
		o, h := c.owners[ref], c.moves[ref]
		switch {
		case h == nil || h.to != m.To || h.asked || o.node != m.From:
			c.w.fail("S7: %s/%d is asked for at %d from %s for %s; it is %+v of %+v", namespace, id, r.Position, m.From, m.To, h, o)
			return
		case c.sessions[m.To] == 0:
			c.w.fail("S7: %s/%d is asked for at %d for %s, which has no session", namespace, id, r.Position, m.To)
		case len(c.w.members) > 0 && !c.prepared[preparedKey(m.To, ref, o.fence)]:
			c.w.fail("S7: %s/%d fence %d is asked for at %d, %s has not prepared it", namespace, id, o.fence, r.Position, m.To)
		}
		h.asked = true
		h.facts++
		c.w.did["prepared shards"]++
	})
}

// handedOver is a release and an assignment, after both steps before.
func (c *checker) handedOver(r events.Recorded, namespace string, h *eventsv1.ShardHandover) {
	events.EachShard(h.Shards, func(id uint32) {
		ref := member.Ref{Namespace: namespace, Shard: id}
		m := c.moves[ref]
		if m == nil || !m.asked || m.to != h.To {
			c.w.fail("S7: %s/%d is handed over at %d to %s, its move is %+v", namespace, id, r.Position, h.To, m)
			return
		}
		if m.facts++; m.facts > 3 {
			c.w.fail("the move of %s/%d took %d facts", namespace, id, m.facts)
		}
		delete(c.moves, ref)
		c.w.did["shards handed over"]++
	})
	c.released(r, &eventsv1.ShardsReleased{Namespace: namespace, Releases: []*eventsv1.ShardAssignment{{NodeId: h.From, Session: h.FromSession, Shards: h.Shards}}})
	c.assigned(r, &eventsv1.ShardsAssigned{Namespace: namespace, Assignments: []*eventsv1.ShardAssignment{{NodeId: h.To, Session: h.ToSession, Shards: h.Shards}}})
}
