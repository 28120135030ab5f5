package placer_test

import (
	"slices"
	"testing"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/placer"
)

// workers is a mesh that has workers n1, n2, … with sessions 2, 4, …, and the namespace demo whose
// shards they own in equal runs.
func workers(t *testing.T, nodes, each int) (*commandtest.Scenario, *model.Model) {
	m := model.New()
	s := commandtest.New(t, m)
	names := []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"}[:nodes]
	for _, id := range names {
		s.When(membership.OpenSession{
			Node:       membership.Descriptor{NodeID: id, Role: "worker", Weight: 1},
			SecretHash: events.HashOf([]byte(id)), Incarnation: 1,
		}).ThenDone()
	}
	s.When(shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: uint32(nodes * each)}}).ThenDone()
	for i, id := range names {
		ids := make([]uint32, each)
		for j := range ids {
			ids[j] = uint32(i*each + j)
		}
		s.When(shard.Assign{Namespace: "demo", Targets: []shard.Target{{NodeID: id, Session: events.Position(2 * (i + 1)), Shards: ids}}}).ThenDone()
	}
	return s, m
}

// step is one step of a new placer: memory decides nothing.
func step(m *model.Model) []commands.Command {
	cmds, _ := placer.New().Step(sequencer.View{Model: m}, sequencer.Now{Wall: m.Time, Boot: 1})
	return cmds
}

// moves are the shards that commands ask to move, by their owner; each is for a
// drain, and none goes to who is drained.
func moves(t *testing.T, cmds []commands.Command) map[string][]uint32 {
	t.Helper()
	by := map[string][]uint32{}
	for _, c := range cmds {
		r, ok := c.(shard.Rebalance)
		if !ok || !r.Drain {
			t.Fatalf("it asks for %+v", c)
		}
		for _, m := range r.Moves {
			by[m.From] = append(by[m.From], m.Shards...)
		}
	}
	for _, ids := range by {
		slices.Sort(ids)
	}
	return by
}

// TestDrainIsBounded: at most so many moves of a node, and of all, are under way at
// once; as they end, the next begin.
func TestDrainIsBounded(t *testing.T) {
	const each = placer.DrainPerNode + 30
	s, m := workers(t, 3, each)
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	cmds := step(m)
	by := moves(t, cmds)
	if len(by["n1"]) != placer.DrainPerNode || len(by) != 1 {
		t.Fatalf("it asks for %d of n1", len(by["n1"]))
	}
	for _, c := range cmds {
		s.When(c).ThenDone()
	}
	if cmds := step(m); len(cmds) != 0 {
		t.Fatalf("while those are under way: %+v", cmds)
	}
	ns, _ := m.Shard.Namespace("demo")
	s.When(shard.Release{Namespace: "demo", NodeID: "n1", Session: 2, Shards: []shard.Released{{Shard: by["n1"][0], Fence: ns.Shard(by["n1"][0]).Fence}}}).ThenDone()
	if by := moves(t, step(m)); len(by["n1"]) != 1 {
		t.Errorf("one ended, and it asks for %d", len(by["n1"]))
	}
}

func TestDrainsAreBoundedTogether(t *testing.T) {
	const drained = placer.DrainTotal/placer.DrainPerNode + 2
	m := model.New()
	s := commandtest.New(t, m)
	var targets []*eventsv1.ShardAssignment
	for i := range drained + 1 {
		id := string(rune('a' + i))
		s.Given(&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: "worker", Weight: 1}},
			&eventsv1.SessionOpened{NodeId: id, TtlMs: 2000, SecretHash: make([]byte, events.HashSize), Incarnation: 1})
		ids := make([]uint32, placer.DrainPerNode)
		for j := range ids {
			ids[j] = uint32(i*placer.DrainPerNode + j)
		}
		targets = append(targets, &eventsv1.ShardAssignment{NodeId: id, Session: uint64(s.Position()), Shards: events.PackShards(ids)})
		if i > 0 {
			s.Given(&eventsv1.NodeDrainStarted{NodeId: id})
		}
	}
	s.Given(&eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{
		ShardCount: uint32(len(targets) * placer.DrainPerNode), StrategyId: "optimal", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE, EligibleRole: "worker",
	}}, &eventsv1.ShardsAssigned{Namespace: "demo", Assignments: targets})
	total := 0
	for _, ids := range moves(t, step(m)) {
		total += len(ids)
	}
	if total != placer.DrainTotal {
		t.Errorf("it asks for %d moves, want %d", total, placer.DrainTotal)
	}
}

// TestDrainMovesWhatIsHeld and not what is paused, and what its owner did not
// release only when it is asked for again, or the hold is over.
func TestDrainMovesWhatIsHeld(t *testing.T) {
	s, m := workers(t, 3, 2) // n1 has 0, 1
	s.When(shard.Move{Namespace: "demo", Shards: []uint32{2}, To: "n1"}).ThenDone()
	ns, _ := m.Shard.Namespace("demo")
	s.When(shard.Release{Namespace: "demo", NodeID: "n2", Session: 4, Shards: []shard.Released{{Shard: 2, Fence: ns.Shard(2).Fence}}}).ThenDone()
	s.When(shard.Pause{Namespace: "demo", Shards: []uint32{0}}).ThenDone()
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	if by := moves(t, step(m)); !slices.Equal(by["n1"], []uint32{1, 2}) {
		t.Fatalf("it asks for %v", by)
	}
	for _, c := range step(m) {
		s.When(c).ThenDone()
	}
	s.After(shard.MoveDeadline).When(shard.FailMoves{Namespace: "demo", Shards: []uint32{1, 2}}).ThenDone()
	if by := moves(t, step(m)); len(by) != 0 {
		t.Errorf("just after it failed it asks for %v", by)
	}
	s.After(1).When(membership.Drain{NodeID: "n1"}).ThenDone()
	if by := moves(t, step(m)); !slices.Equal(by["n1"], []uint32{1, 2}) {
		t.Errorf("asked for again it asks for %v", by)
	}
}

// TestCancelMovesNothingElse: while the moves of a cancelled drain are still to be
// taken back, nothing is balanced in their place.
func TestCancelMovesNothingElse(t *testing.T) {
	s, m := workers(t, 3, 4)
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	for _, c := range step(m) {
		s.When(c).ThenDone()
	}
	s.When(membership.CancelDrain{NodeID: "n1"}).ThenDone()
	if cmds := step(m); len(cmds) != 0 {
		t.Errorf("it asks for %+v", cmds)
	}
}

// TestSettledDrainIsAskedAgain: a placer that found nothing to do looks again when
// the same drain is asked for anew.
func TestSettledDrainIsAskedAgain(t *testing.T) {
	s, m := workers(t, 2, 1)
	p := placer.New()
	boot := int64(0)
	asks := func() []commands.Command {
		boot += int64(placer.Interval)
		cmds, _ := p.Step(sequencer.View{Model: m}, sequencer.Now{Wall: m.Time, Boot: boot})
		return cmds
	}
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	for _, c := range asks() {
		s.When(c).ThenDone()
	}
	s.After(shard.MoveDeadline).When(shard.FailMoves{Namespace: "demo", Shards: []uint32{0}}).ThenDone()
	if cmds := asks(); len(cmds) != 0 {
		t.Fatalf("it asks for %+v", cmds)
	}
	s.After(1).When(membership.Drain{NodeID: "n1"}).ThenDone()
	if cmds := asks(); len(cmds) == 0 {
		t.Error("it asks for nothing")
	}
}
