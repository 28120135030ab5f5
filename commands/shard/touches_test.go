package shard_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// TestTouches: what rises by one with each event that touches a shard is its
// version, so versions are what Touches foretells.
func TestTouches(t *testing.T) {
	s, m := owned(t)
	set := func(ids ...uint32) *eventsv1.ShardSet { return events.PackShards(ids) }
	versions := func() (sum uint64) {
		n, ok := m.Shard.Namespace(ns)
		if !ok {
			return 0
		}
		for id := range n.Len() {
			sum += n.Shard(id).Version
		}
		return sum
	}
	for _, e := range []proto.Message{
		&eventsv1.ShardsPaused{Namespace: ns, Shards: set(0, 1, 5)},
		&eventsv1.ShardsResumed{Namespace: ns, Shards: set(0, 1, 5)},
		&eventsv1.ShardMoveStarted{Namespace: ns, Moves: []*eventsv1.ShardMove{
			{From: "n1", To: "n2", Shards: set(0, 1)}, {From: "n1", To: "n3", Shards: set(2)},
		}},
		&eventsv1.ShardMoveCancelled{Namespace: ns, Shards: set(0)},
		&eventsv1.ShardMoveFailed{Namespace: ns, Shards: set(1, 2)},
		&eventsv1.ShardsReleased{Namespace: ns, Releases: []*eventsv1.ShardAssignment{{NodeId: "n1", Session: 2, Shards: set(0, 1)}}},
		&eventsv1.ShardsAssigned{Namespace: ns, Assignments: []*eventsv1.ShardAssignment{{NodeId: "n3", Session: 6, Shards: set(0, 1)}}},
		&eventsv1.ShardMoveStarted{Namespace: ns, Moves: []*eventsv1.ShardMove{{From: "n3", To: "n1", Shards: set(0, 1)}}, Stage: eventsv1.MoveStage_MOVE_STAGE_PREPARE},
		&eventsv1.ShardMoveReleasing{Namespace: ns, Moves: []*eventsv1.ShardMove{{From: "n3", To: "n1", Shards: set(0, 1)}}},
		&eventsv1.ShardsHandedOver{Namespace: ns, Handovers: []*eventsv1.ShardHandover{over("n3", 6, "n1", 2, 0, 1)}},
		reading(of("n1", 2, 4), of("n3", 6, 4, 5)),
		unreading(balance, of("n3", 6, 5)),
		closed("n1", 2),
		&eventsv1.NamespaceUpdated{Namespace: ns, Spec: &eventsv1.NamespaceSpec{ShardCount: 8, StrategyId: "ring", Ownership: lease, EligibleRole: "worker"}},
		&eventsv1.NamespaceDeleting{Namespace: ns},
	} {
		want, before := m.Shard.Touches(commandtest.Event(t, e)), versions()
		s.Given(e)
		if got := int(versions() - before); got != want || got == 0 {
			t.Errorf("%T is said to touch %d shards, and touches %d", e, want, got)
		}
	}
	if n := m.Shard.Touches(commandtest.Event(t, &eventsv1.NamespaceDeleted{Namespace: ns})); n != 8 {
		t.Errorf("the end of a namespace of 8 shards touches %d", n)
	}
	if n := m.Shard.Touches(commandtest.Event(t, &eventsv1.NodeCordoned{NodeId: "n1"})); n != 0 {
		t.Errorf("a cordon touches %d shards", n)
	}
}
