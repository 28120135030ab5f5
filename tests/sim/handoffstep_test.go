package sim

import (
	"testing"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/handoff"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// TestReportOfALostTarget: a report that was heard counts while its target may have
// the shard; after that it does not keep the move from being given up.
func TestReportOfALostTarget(t *testing.T) {
	m, h := model.New(), events.HashOf([]byte("secret"))
	s := commandtest.New(t, m)
	for _, id := range []string{"n1", "n2"} { // sessions 2 and 4
		s.Given(&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: "worker", Weight: 1}},
			&eventsv1.SessionOpened{NodeId: id, TtlMs: 5000, SecretHash: h[:]})
	}
	set := events.PackShards([]uint32{0})
	s.Given(&eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: 1, StrategyId: "optimal", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE, EligibleRole: "worker"}},
		&eventsv1.ShardsAssigned{Namespace: "demo", Assignments: []*eventsv1.ShardAssignment{{NodeId: "n1", Session: 2, Shards: set}}}, // fence 6
		&eventsv1.ShardMoveStarted{Namespace: "demo", Moves: []*eventsv1.ShardMove{{From: "n1", To: "n2", Shards: set}}, DeadlineMs: 1 << 50, Stage: eventsv1.MoveStage_MOVE_STAGE_PREPARE})
	leases := sessions.NewLeases()
	leases.Sync(m, 1, 1)
	hb := sessions.Heartbeat{NodeID: "n2", Session: 4, Secret: h, Full: true, Held: []sessions.Held{{Namespace: "demo", Shard: 0, Fence: 6, State: sessions.Prepared}}}
	if _, err := leases.Beat(m, hb, 1); err != nil {
		t.Fatal(err)
	}
	step := func() any {
		cmds, _ := handoff.New(leases).Step(sequencer.View{Model: m}, sequencer.Now{Wall: 1, Boot: 1})
		if len(cmds) != 1 {
			t.Fatalf("commands %+v", cmds)
		}
		return cmds[0]
	}
	if c, ok := step().(shard.AskRelease); !ok || c.NodeID != "n2" || c.Session != 4 {
		t.Errorf("a report leads to %+v", step())
	}
	s.Given(&eventsv1.NodeCordoned{NodeId: "n2"})
	if c, ok := step().(shard.CancelMoves); !ok || !c.TargetLost {
		t.Errorf("a report of a target that is lost leads to %+v", step())
	}
}
