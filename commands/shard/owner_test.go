package shard_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func upTo(n uint32) []uint32 {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(i)
	}
	return ids
}

func TestAssign(t *testing.T) {
	s, m := mesh(t)
	// Order and duplicates do not matter; the fence is the event's position.
	s.When(assign(target("n1", 2, 3, 1, 2, 1), target("n2", 4, 0))).Then(assigned(placement, of("n1", 2, 1, 2, 3), of("n2", 4, 0)))
	wantOwner(t, m, 1, "n1", 2, 10)
	wantOwner(t, m, 0, "n2", 4, 10)
	wantOwner(t, m, 4, "", 0, 0)
	s.When(assign(target("n1", 2, 3, 1, 2))).ThenRejected("shard_owned")
	s.When(assign()).ThenNothing()
}

func TestAssignRefused(t *testing.T) {
	s, _ := owned(t)
	for _, c := range []struct {
		reason  string
		targets []shard.Target
	}{
		{"node_not_found", []shard.Target{target("n9", 2, 7)}},
		{"node_not_eligible", []shard.Target{target("g1", 8, 7)}},
		{"session_not_found", []shard.Target{target("n1", 4, 7)}},
		{"session_not_found", []shard.Target{target("n1", 0, 7)}},
		{"invalid_field", []shard.Target{target("n1", 2)}},
		{"shard_not_found", []shard.Target{target("n1", 2, 8)}},
		{"shard_owned", []shard.Target{target("n1", 2, 5)}},
		{"shard_owned", []shard.Target{target("n1", 2, 7), target("n2", 4, 7)}},
		{"too_large", []shard.Target{target("n1", 2, upTo(2001)...)}},
	} {
		s.When(assign(c.targets...)).ThenRejected(c.reason)
	}
	s.When(shard.Assign{Namespace: "none"}).ThenRejected("namespace_not_found")
	s.When(membership.Cordon{NodeID: "n3"}).ThenDone()
	s.When(assign(target("n3", 6, 7))).ThenRejected("node_cordoned")
	s.When(shard.Pause{Namespace: ns, Shards: []uint32{7}}).ThenDone()
	s.When(assign(target("n1", 2, 7))).ThenRejected("shard_paused")
	s.Given(closed("n2", 4))
	s.When(assign(target("n2", 4, 6))).ThenRejected("node_not_eligible")
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: events.HashOf([]byte("n1"))}).ThenDone()
	s.When(assign(target("n1", 2, 6))).ThenRejected("node_not_eligible")
}

// TestAssignBound: 2,000 shards in one command, over all targets.
func TestAssignBound(t *testing.T) {
	s, _ := mesh(t)
	s.When(shard.Create{Namespace: "wide", Spec: shard.Spec{ShardCount: 3000}}).ThenDone()
	ids := upTo(2001)
	wide := func(ts ...shard.Target) shard.Assign { return shard.Assign{Namespace: "wide", Targets: ts} }
	s.When(wide(target("n1", 2, ids[:2000]...), target("n2", 4, ids[2000]))).ThenRejected("too_large")
	s.When(wide(target("n1", 2, ids[:1000]...), target("n2", 4, ids[1000:2000]...))).ThenDone()
	s.When(shard.Rebalance{Namespace: "wide", Moves: []shard.Relocation{
		{From: "n1", To: "n3", Shards: ids[:1000]}, {From: "n2", To: "n3", Shards: ids[1000:2000]},
	}}).ThenDone()
}

// TestRebalanceBound: the bound of one event holds over all its moves.
func TestRebalanceBound(t *testing.T) {
	s, _ := mesh(t)
	s.When(shard.Create{Namespace: "wide", Spec: shard.Spec{ShardCount: 3000}}).ThenDone()
	ids := upTo(3000)
	for i, n := range []shard.Target{target("n1", 2), target("n2", 4)} {
		n.Shards = ids[i*1500 : i*1500+1500]
		s.When(shard.Assign{Namespace: "wide", Targets: []shard.Target{n}}).ThenDone()
	}
	s.When(shard.Rebalance{Namespace: "wide", Moves: []shard.Relocation{
		{From: "n1", To: "n3", Shards: ids[:1500]}, {From: "n2", To: "n3", Shards: ids[1500:]},
	}}).ThenRejected("too_large")
}

// TestSessionClosed: with a session goes all that it owned, and nothing that
// another session of the node owns.
func TestSessionClosed(t *testing.T) {
	s, m := owned(t)
	s.Given(closed("n1", 2))
	sh := at(t, m, 0)
	if sh.Owner != "" || sh.Session != 0 || sh.LastOwner != "n1" || sh.Fence != 10 || sh.Version != 3 {
		t.Errorf("shard 0 is %+v", sh)
	}
	wantOwner(t, m, 4, "n2", 4, 11)
	n, _ := m.Shard.Namespace(ns)
	if n.Unowned() != 6 || n.Owned("n1") != 0 || n.Owned("n2") != 2 {
		t.Errorf("%d unowned, n1 has %d, n2 has %d", n.Unowned(), n.Owned("n1"), n.Owned("n2"))
	}
	// The present session keeps its shards when an older one is closed again.
	h := events.HashOf([]byte("n1"))
	s.Given(&eventsv1.SessionOpened{NodeId: "n1", TtlMs: 5000, SecretHash: h[:]}, assigned(placement, of("n1", 13, 0))) // 13, 14
	s.Given(closed("n1", 2))
	wantOwner(t, m, 0, "n1", 13, 14)
}

// TestRestart: a restarted process owns nothing until it is assigned, and gets
// a new fence then.
func TestRestart(t *testing.T) {
	s, m := owned(t)
	d := membership.Descriptor{NodeID: "n1", Role: "worker", Weight: 1}
	s.When(membership.OpenSession{Node: d, SecretHash: events.HashOf([]byte("n1")), Incarnation: 1}).ThenDone() // 12 closed, 13 opened
	wantOwner(t, m, 0, "", 0, 10)
	s.When(assign(target("n1", 2, 0))).ThenRejected("session_not_found")
	s.When(release("n1", 2, 10, 0)).ThenNothing()
	s.When(assign(target("n1", 13, 0))).Then(assigned(placement, of("n1", 13, 0)))
	wantOwner(t, m, 0, "n1", 13, 14)
	s.When(release("n1", 13, 10, 0)).ThenNothing()
}

func TestPauseResume(t *testing.T) {
	s, m := owned(t)
	pause := shard.Pause{Namespace: ns, Shards: []uint32{0, 7}}
	s.When(pause).Then(&eventsv1.ShardsPaused{Namespace: ns, Shards: pack(0, 7)})
	s.When(pause).ThenRejected("shard_paused")
	s.When(shard.Pause{Namespace: ns, Shards: []uint32{1, 7}}).ThenRejected("shard_paused")
	s.When(shard.Pause{Namespace: ns}).ThenInvalid("shardIds")
	s.When(shard.Pause{Namespace: ns, Shards: []uint32{8}}).ThenRejected("shard_not_found")
	s.When(shard.Pause{Namespace: ns, Shards: upTo(2001)}).ThenRejected("too_large")
	wantOwner(t, m, 0, "n1", 2, 10)
	// Paused it is not moved, not balanced, and when its owner dies not placed.
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}).ThenRejected("shard_paused")
	s.When(shard.Rebalance{Namespace: ns, Moves: []shard.Relocation{{From: "n1", To: "n2", Shards: []uint32{0}}}}).ThenRejected("shard_paused")
	s.Given(closed("n1", 2))
	s.When(assign(target("n2", 4, 0))).ThenRejected("shard_paused")
	resume := shard.Resume{Namespace: ns, Shards: []uint32{0, 7}}
	s.When(resume).Then(&eventsv1.ShardsResumed{Namespace: ns, Shards: pack(0, 7)})
	s.When(resume).ThenRejected("shard_not_paused")
	s.When(assign(target("n2", 4, 0))).ThenDone()
}

// TestPauseEndsMoves: pausing takes a move back that is in flight.
func TestPauseEndsMoves(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}).ThenDone()
	s.When(shard.Pause{Namespace: ns, Shards: []uint32{0, 1}}).Then(
		&eventsv1.ShardMoveCancelled{Namespace: ns, Shards: pack(0), Cause: operator},
		&eventsv1.ShardsPaused{Namespace: ns, Shards: pack(0, 1)})
	if sh := at(t, m, 0); sh.Moving() || !sh.Paused || sh.Owner != "n1" {
		t.Errorf("shard 0 is %+v", sh)
	}
	// Its owner may still give it up, and then nobody gets it.
	r := release("n1", 2, 10, 0)
	r.Else = []shard.Target{target("n3", 6, 0)}
	s.When(r).Then(released(byOwner, of("n1", 2, 0)))
	wantOwner(t, m, 0, "", 0, 10)
}
