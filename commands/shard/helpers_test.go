package shard_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// The reasons for which a node may not be given shards are told by the model,
// which asks membership for this context.
func TestReasons(t *testing.T) {
	commandtest.CheckReasons(t, "*.go", "../model/nodes.go", "../model/closed.go")
}

const (
	placement = eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT
	operator  = eventsv1.ShardCause_SHARD_CAUSE_OPERATOR
	balance   = eventsv1.ShardCause_SHARD_CAUSE_BALANCE
	byOwner   = eventsv1.ShardCause_SHARD_CAUSE_OWNER_RELEASED
	deleted   = eventsv1.ShardCause_SHARD_CAUSE_NAMESPACE_DELETED
	lost      = eventsv1.ShardCause_SHARD_CAUSE_TARGET_LOST
	late      = eventsv1.ShardCause_SHARD_CAUSE_OWNER_NOT_RELEASING
	lease     = eventsv1.Ownership_OWNERSHIP_LEASE
	cold      = eventsv1.ShardCause_SHARD_CAUSE_TARGET_NOT_PREPARED
)

const ns = "demo"

func spec(shards uint32) *eventsv1.NamespaceSpec {
	return &eventsv1.NamespaceSpec{ShardCount: shards, StrategyId: "optimal", Ownership: lease, EligibleRole: "worker"}
}

// mesh has the workers n1, n2, n3 with sessions 2, 4, 6, the gateway g1 with
// session 8, and the namespace demo of 8 shards at position 9.
func mesh(t *testing.T) (*commandtest.Scenario, *model.Model) {
	var given []proto.Message
	for _, n := range []struct{ id, role string }{{"n1", "worker"}, {"n2", "worker"}, {"n3", "worker"}, {"g1", "gateway"}} {
		h := events.HashOf([]byte(n.id))
		given = append(given,
			&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: n.id, Role: n.role, Weight: 1}},
			&eventsv1.SessionOpened{NodeId: n.id, TtlMs: 5000, SecretHash: h[:]})
	}
	m := model.New()
	return commandtest.New(t, m).Given(given...).Given(&eventsv1.NamespaceCreated{Namespace: ns, Spec: spec(8)}), m
}

// owned is mesh with 0 to 3 owned by n1 under fence 10, 4 and 5 by n2 under 11.
func owned(t *testing.T) (*commandtest.Scenario, *model.Model) {
	s, m := mesh(t)
	return s.Given(assigned(placement, of("n1", 2, 0, 1, 2, 3)), assigned(placement, of("n2", 4, 4, 5))), m
}

func pack(ids ...uint32) *eventsv1.ShardSet { return events.PackShards(ids) }

func of(node string, session uint64, ids ...uint32) *eventsv1.ShardAssignment {
	return &eventsv1.ShardAssignment{NodeId: node, Session: session, Shards: pack(ids...)}
}

func assigned(cause eventsv1.ShardCause, as ...*eventsv1.ShardAssignment) *eventsv1.ShardsAssigned {
	return &eventsv1.ShardsAssigned{Namespace: ns, Assignments: as, Cause: cause}
}

func released(cause eventsv1.ShardCause, r *eventsv1.ShardAssignment) *eventsv1.ShardsReleased {
	return &eventsv1.ShardsReleased{Namespace: ns, Releases: []*eventsv1.ShardAssignment{r}, Cause: cause}
}

func closed(node string, session uint64) *eventsv1.SessionClosed {
	return &eventsv1.SessionClosed{NodeId: node, Session: session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED}
}

// deadlineAt is the deadline of a move that starts at this log time.
func deadlineAt(t time.Time) int64 { return t.Add(shard.MoveDeadline).UnixMilli() }

func moving(cause eventsv1.ShardCause, at time.Time, hold time.Duration, moves ...*eventsv1.ShardMove) *eventsv1.ShardMoveStarted {
	return &eventsv1.ShardMoveStarted{Namespace: ns, Moves: moves, Cause: cause, DeadlineMs: deadlineAt(at), HoldMs: uint32(hold / time.Millisecond),
		Stage: eventsv1.MoveStage_MOVE_STAGE_PREPARE}
}

func move(from, to string, ids ...uint32) *eventsv1.ShardMove {
	return &eventsv1.ShardMove{From: from, To: to, Shards: pack(ids...)}
}

func releasing(cause eventsv1.ShardCause, at time.Time, moves ...*eventsv1.ShardMove) *eventsv1.ShardMoveReleasing {
	return &eventsv1.ShardMoveReleasing{Namespace: ns, Moves: moves, Cause: cause, DeadlineMs: deadlineAt(at)}
}

func handedOver(cause eventsv1.ShardCause, hs ...*eventsv1.ShardHandover) *eventsv1.ShardsHandedOver {
	return &eventsv1.ShardsHandedOver{Namespace: ns, Handovers: hs, Cause: cause}
}

func over(from string, fromSession uint64, to string, toSession uint64, ids ...uint32) *eventsv1.ShardHandover {
	return &eventsv1.ShardHandover{From: from, FromSession: fromSession, To: to, ToSession: toSession, Shards: pack(ids...)}
}

func prepared(node string, session, fence events.Position, ids ...uint32) shard.AskRelease {
	c := shard.AskRelease{Namespace: ns, NodeID: node, Session: session}
	for _, id := range ids {
		c.Shards = append(c.Shards, shard.Prepared{Shard: id, Fence: fence})
	}
	return c
}

func target(node string, session events.Position, ids ...uint32) shard.Target {
	return shard.Target{NodeID: node, Session: session, Shards: ids}
}

func assign(targets ...shard.Target) shard.Assign {
	return shard.Assign{Namespace: ns, Targets: targets}
}

func release(node string, session, fence events.Position, ids ...uint32) shard.Release {
	r := shard.Release{Namespace: ns, NodeID: node, Session: session}
	for _, id := range ids {
		r.Shards = append(r.Shards, shard.Released{Shard: id, Fence: fence})
	}
	return r
}

// at returns a shard of the namespace.
func at(t *testing.T, m *model.Model, id uint32) shard.Shard {
	t.Helper()
	n, ok := m.Shard.Namespace(ns)
	if !ok {
		t.Fatalf("no namespace %s", ns)
	}
	return *n.Shard(id)
}

func wantOwner(t *testing.T, m *model.Model, id uint32, owner string, session, fence events.Position) {
	t.Helper()
	if sh := at(t, m, id); sh.Owner != owner || sh.Session != session || sh.Fence != fence {
		t.Errorf("shard %d is (%q, %d, %d), want (%q, %d, %d)", id, sh.Owner, sh.Session, sh.Fence, owner, session, fence)
	}
}
