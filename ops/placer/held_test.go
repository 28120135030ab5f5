package placer_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/placer"
)

// TestHeldShardLeavesTheCount is S9 at the planner: a shard that was moved by
// hand stays, and the others are balanced without it. The decider would refuse to
// move it; a planner that asks would ask for ever.
func TestHeldShardLeavesTheCount(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	for i, id := range []string{"n1", "n2"} {
		s.When(membership.OpenSession{
			Node:       membership.Descriptor{NodeID: id, Role: "worker", Weight: 1},
			SecretHash: events.HashOf([]byte(id)), Incarnation: uint64(i + 1),
		}).ThenDone() // sessions 2 and 4
	}
	for _, c := range []commands.Command{
		shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: 4}}, // 5
		shard.Assign{Namespace: "demo", Targets: []shard.Target{
			{NodeID: "n1", Session: 2, Shards: []uint32{0, 1}}, {NodeID: "n2", Session: 4, Shards: []uint32{2, 3}},
		}}, // 6
		shard.Move{Namespace: "demo", Shards: []uint32{0}, To: "n2"},
		shard.Release{Namespace: "demo", NodeID: "n1", Session: 2, Shards: []shard.Released{{Shard: 0, Fence: 6}}},
	} {
		s.When(c).ThenDone()
	}
	ns, _ := m.Shard.Namespace("demo")
	held := ns.Shard(0)
	if held.Owner != "n2" || held.HeldUntil <= m.Time {
		t.Fatalf("shard 0 is %+v at %d", *held, m.Time)
	}
	nodes := []placer.Node{
		{Node: placement.Node{ID: "n1", Weight: placement.One}, Session: 2},
		{Node: placement.Node{ID: "n2", Weight: placement.One}, Session: 4},
	}
	if cmds := placer.Plan(ns, nodes, m.Time); len(cmds) != 0 {
		t.Errorf("while it is held: %+v", cmds)
	}
	if cmds := placer.Plan(ns, nodes, held.HeldUntil); len(cmds) == 0 {
		t.Error("after the hold nothing is balanced: this tests nothing")
	}
}

// TestMoveByHandMovesNothingElse: a shard that is going to be held leaves the count
// when it sets out, and is out of it when it is there. Else others make room for it
// at its target, and come back.
func TestMoveByHandMovesNothingElse(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	var nodes []placer.Node
	for i, id := range []string{"n1", "n2", "n3"} {
		s.When(membership.OpenSession{
			Node:       membership.Descriptor{NodeID: id, Role: "worker", Weight: 1},
			SecretHash: events.HashOf([]byte(id)), Incarnation: uint64(i + 1),
		}).ThenDone() // sessions 2, 4 and 6
		nodes = append(nodes, placer.Node{Node: placement.Node{ID: id, Weight: placement.One}, Session: events.Position(2 * (i + 1))})
	}
	for _, c := range []commands.Command{
		shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: 8}}, // 7
		shard.Assign{Namespace: "demo", Targets: []shard.Target{
			{NodeID: "n1", Session: 2, Shards: []uint32{0, 1, 6, 7}}, {NodeID: "n2", Session: 4, Shards: []uint32{2, 3}},
			{NodeID: "n3", Session: 6, Shards: []uint32{4, 5}},
		}}, // 8
		shard.Move{Namespace: "demo", Shards: []uint32{0, 1}, To: "n3"},
	} {
		s.When(c).ThenDone()
	}
	ns, _ := m.Shard.Namespace("demo")
	if cmds := placer.Plan(ns, nodes, m.Time); len(cmds) != 0 {
		t.Errorf("while it moves: %+v", cmds)
	}
	s.When(shard.Release{Namespace: "demo", NodeID: "n1", Session: 2, Shards: []shard.Released{{Shard: 0, Fence: 8}, {Shard: 1, Fence: 8}}}).ThenDone()
	ns, _ = m.Shard.Namespace("demo")
	if held := ns.Shard(0); held.Owner != "n3" || held.HeldUntil <= m.Time {
		t.Fatalf("shard 0 is %+v at %d", *held, m.Time)
	}
	if cmds := placer.Plan(ns, nodes, m.Time); len(cmds) != 0 {
		t.Errorf("while it is held: %+v", cmds)
	}
}
