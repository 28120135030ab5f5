package rebinder_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/rebinder"
)

func opened(directory string) *eventsv1.SessionOpened {
	h := events.HashOf([]byte(directory))
	return &eventsv1.SessionOpened{NodeId: "n1", TtlMs: 2000, SecretHash: h[:], Incarnation: 1}
}

func closed(session uint64) *eventsv1.SessionClosed {
	return &eventsv1.SessionClosed{NodeId: "n1", Session: session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED}
}

func pack(ids ...uint32) *eventsv1.ShardSet { return events.PackShards(ids) }

func upTo(n uint32) []uint32 {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(i)
	}
	return ids
}

// mesh: n1 owned all 2,500 shards of "wide" by its session 2, which is closed.
func mesh(t *testing.T, mode eventsv1.Ownership) (*commandtest.Scenario, *model.Model) {
	m := model.New()
	spec := &eventsv1.NamespaceSpec{ShardCount: 2500, StrategyId: "optimal", Ownership: mode, EligibleRole: "worker"}
	if mode != eventsv1.Ownership_OWNERSHIP_STICKY {
		spec.OwnershipTtlMs = 60_000
	}
	return commandtest.New(t, m).Given(
		&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: "n1", Role: "worker", Weight: 1}},
		opened("n1"),
		&eventsv1.NamespaceCreated{Namespace: "wide", Spec: spec},
		&eventsv1.ShardsAssigned{Namespace: "wide", Assignments: []*eventsv1.ShardAssignment{{NodeId: "n1", Session: 2, Shards: events.PackShards(upTo(2500))}}},
		closed(2)), m
}

func steps(t *testing.T, m *model.Model, want ...commands.Command) {
	t.Helper()
	got, _ := rebinder.New().Step(sequencer.View{Model: m}, sequencer.Now{})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestRebinds: as soon as the node has a session of its data directory, in parts
// that fit a decision, but for what is taken from it by force.
func TestRebinds(t *testing.T) {
	for _, mode := range []eventsv1.Ownership{eventsv1.Ownership_OWNERSHIP_LEASE, eventsv1.Ownership_OWNERSHIP_FENCED, eventsv1.Ownership_OWNERSHIP_STICKY} {
		s, m := mesh(t, mode)
		steps(t, m)
		s.Given(&eventsv1.ShardMoveStarted{Namespace: "wide", Cause: eventsv1.ShardCause_SHARD_CAUSE_FORCED, Moves: []*eventsv1.ShardMove{{From: "n1", To: "n2", Shards: pack(0)}}})
		s.Given(opened("n1"))
		heir := s.Position()
		ids := upTo(2500)[1:]
		first := shard.Rebind{Namespace: "wide", NodeID: "n1", From: 2, Session: heir, Shards: ids[:events.MaxAssigned]}
		second := shard.Rebind{Namespace: "wide", NodeID: "n1", From: 2, Session: heir, Shards: ids[events.MaxAssigned:]}
		steps(t, m, first, second)
		s.When(first).ThenDone()
		steps(t, m, second)
		s.When(second).ThenDone()
		steps(t, m)
	}
}

// TestAnotherDirectory: its process may run beside the one that owned (S1).
func TestAnotherDirectory(t *testing.T) {
	s, m := mesh(t, eventsv1.Ownership_OWNERSHIP_STICKY)
	s.Given(opened("other disk"))
	steps(t, m)
	s.After(time.Hour).Given(closed(uint64(s.Position())), opened("n1"))
	steps(t, m)
}

// TestDeleting: owners of a namespace that is being deleted get nothing back.
func TestDeleting(t *testing.T) {
	s, m := mesh(t, eventsv1.Ownership_OWNERSHIP_STICKY)
	s.Given(&eventsv1.NamespaceDeleting{Namespace: "wide"}, opened("n1"))
	steps(t, m)
}
