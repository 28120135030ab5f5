package placer_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/placer"
)

// TestSilentStays: between the session of a silent owner that is back and the rebind,
// its shards count as its own, and neither they nor others move.
func TestSilentStays(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	session := func(id string) events.Position {
		h := events.HashOf([]byte(id))
		s.Given(&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: "worker", Weight: 1}},
			&eventsv1.SessionOpened{NodeId: id, TtlMs: 2000, SecretHash: h[:], Incarnation: 1})
		return s.Position()
	}
	n1, n2 := session("n1"), session("n2")
	s.Given(&eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{
		ShardCount: 8, StrategyId: "optimal", Ownership: eventsv1.Ownership_OWNERSHIP_STICKY, EligibleRole: "worker",
	}}, &eventsv1.ShardsAssigned{Namespace: "demo", Assignments: []*eventsv1.ShardAssignment{
		{NodeId: "n1", Session: uint64(n1), Shards: events.PackShards([]uint32{0, 1, 2, 3})},
		{NodeId: "n2", Session: uint64(n2), Shards: events.PackShards([]uint32{4, 5, 6, 7})},
	}}, &eventsv1.SessionClosed{NodeId: "n1", Session: uint64(n1), Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED})
	plan := func(nodes map[string]events.Position) int {
		ns, _ := m.Shard.Namespace("demo")
		var list []placer.Node
		for _, id := range []string{"n1", "n2", "n3"} {
			if nodes[id] != 0 {
				list = append(list, placer.Node{Node: placement.Node{ID: id, Weight: placement.One}, Session: nodes[id]})
			}
		}
		return len(placer.Plan(ns, list, m.Time))
	}
	if n := plan(map[string]events.Position{"n2": n2}); n != 0 {
		t.Errorf("while it is silent, %d commands", n)
	}
	n1 = session("n1")
	if n := plan(map[string]events.Position{"n1": n1, "n2": n2}); n != 0 {
		t.Errorf("when it is back, %d commands", n)
	}
	// A third node is due some of both; what is silent cannot be had.
	s.Given(&eventsv1.SessionClosed{NodeId: "n2", Session: uint64(n2), Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED})
	n2, n3 := session("n2"), session("n3")
	if n := plan(map[string]events.Position{"n1": n1, "n2": n2, "n3": n3}); n != 0 {
		t.Errorf("with a third node, %d commands", n)
	}
}
