package model_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// TestSessionsOfBeforeARestore: they count for nothing, whatever they held, and
// what is given after the wait has a fence above all that was given before (S1,
// L1, L2).
func TestSessionsOfBeforeARestore(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	open := membership.OpenSession{
		Node: membership.Descriptor{NodeID: "n1", Role: "worker", Weight: 1}, SecretHash: events.HashOf([]byte("n1")), Incarnation: 1,
	}
	s.When(control.StartEra{Cluster: "c1"}).ThenDone()
	s.When(open).ThenDone()
	old := s.Position()
	s.When(shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: 2}}).ThenDone()
	give := func(session events.Position, id uint32) shard.Assign {
		return shard.Assign{Namespace: "demo", Targets: []shard.Target{{NodeID: "n1", Session: session, Shards: []uint32{id}}}}
	}
	s.When(give(old, 0)).ThenDone()
	s.When(leadership.Campaign{Scope: "jobs", NodeID: "n1", Session: old}).ThenDone()
	s.When(leadership.Resign{Scope: "jobs", NodeID: "n1", Session: old}).ThenDone()
	ns, _ := m.Shard.Namespace("demo")
	fence, term := ns.Shard(0).Fence, s.Position()

	s.Given(&eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: uint64(s.Position()), Next: uint64(s.Position()) + 1, SettleMs: 1000})
	if m.SessionLives("n1", old) || m.Assignable("n1", "worker") == nil {
		t.Error("the session of before counts")
	}
	s.When(give(old, 1)).ThenRejected("node_not_eligible")
	s.When(leadership.Campaign{Scope: "jobs", NodeID: "n1", Session: old}).ThenRejected("session_not_found")
	s.When(shard.Move{Namespace: "demo", Shards: []uint32{1}, To: "n1"}).ThenRejected("node_not_eligible")
	s.After(2 * time.Second)
	s.When(membership.CloseSession{NodeID: "n1", Session: old, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED}).ThenDone()
	s.When(open).ThenRejected("era_settling")
	s.When(control.SettleEra{Era: 2}).ThenDone()
	s.When(open).ThenDone()
	now := s.Position()
	s.When(give(now, 0)).ThenDone()
	s.When(leadership.Campaign{Scope: "jobs", NodeID: "n1", Session: now}).ThenDone()
	ns, _ = m.Shard.Namespace("demo")
	sc, _ := m.Leadership.Scope("jobs")
	if ns.Shard(0).Fence <= fence || sc.Term <= term || sc.Holder != "n1" {
		t.Errorf("fence %d after %d, term %d after %d", ns.Shard(0).Fence, fence, sc.Term, term)
	}
}
