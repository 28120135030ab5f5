package shard_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// TestHandoff is S7: prepare, then release, then assign, each a fact of its own,
// three in all, and the owner keeps its fence until the last.
func TestHandoff(t *testing.T) {
	s, m := owned(t)
	start := commandtest.Start()
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0, 1, 4}, To: "n3"}).
		Then(moving(operator, start, shard.MoveHold, move("n1", "n3", 0, 1), move("n2", "n3", 4))) // 12
	if sh := at(t, m, 0); !sh.Preparing() || sh.Releasing() {
		t.Errorf("shard 0 is %+v", sh)
	}
	s.After(10 * time.Second)
	ask := shard.AskRelease{Namespace: ns, NodeID: "n3", Session: 6, Shards: []shard.Prepared{{Shard: 4, Fence: 11}, {Shard: 0, Fence: 10}, {Shard: 0, Fence: 10}}}
	s.When(ask).Then(releasing(operator, start.Add(10*time.Second), move("n1", "n3", 0), move("n2", "n3", 4))) // 13
	s.When(ask).ThenNothing()
	wantOwner(t, m, 0, "n1", 2, 10)
	if sh := at(t, m, 0); !sh.Releasing() || sh.MoveDeadline != start.Add(10*time.Second+shard.MoveDeadline).UnixNano() {
		t.Errorf("shard 0 is %+v: a stage has a deadline of its own", sh)
	}
	if sh := at(t, m, 1); !sh.Preparing() {
		t.Errorf("shard 1, which was not prepared, is %+v", sh)
	}
	s.When(release("n1", 2, 10, 0)).Then(handedOver(operator, over("n1", 2, "n3", 6, 0))) // 14
	wantOwner(t, m, 0, "n3", 6, 14)
	if sh := at(t, m, 0); sh.LastOwner != "" || sh.MoveTo != "" || sh.MoveStage != 0 || sh.HeldUntil != start.Add(10*time.Second+shard.MoveHold).UnixNano() {
		t.Errorf("shard 0 is %+v", sh)
	}
	s.When(release("n1", 2, 10, 0)).ThenNothing()
}

// TestAskReleaseNeedsTheTarget (S7): only the target's present session, with the
// present fence, of a shard that moves there and is not asked for yet.
func TestAskReleaseNeedsTheTarget(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenDone()
	for name, c := range map[string]shard.AskRelease{
		"not the target": prepared("n2", 4, 10, 0),
		"the owner":      prepared("n1", 2, 10, 0),
		"lower fence":    prepared("n3", 6, 9, 0),
		"no fence":       prepared("n3", 6, 0, 0),
		"does not move":  prepared("n3", 6, 10, 1),
		"unowned":        prepared("n3", 6, 10, 7),
		"no such shard":  prepared("n3", 6, 10, 800),
		"nothing":        prepared("n3", 6, 10),
	} {
		t.Run(name, func(t *testing.T) { s.When(c).ThenNothing() })
	}
	s.When(shard.AskRelease{Namespace: "none", NodeID: "n3", Session: 6}).ThenRejected("namespace_not_found")
	s.When(prepared("n3", 5, 10, 0)).ThenRejected("session_not_found")
	s.When(prepared("n3", 0, 10, 0)).ThenRejected("session_not_found")
	s.When(prepared("n3", 6, 10, upTo(2001)...)).ThenRejected("too_large")
	s.When(membership.Cordon{NodeID: "n3"}).ThenDone()
	s.When(prepared("n3", 6, 10, 0)).ThenRejected("node_cordoned")
	s.When(membership.Uncordon{NodeID: "n3"}).ThenDone()
	if sh := at(t, m, 0); !sh.Preparing() {
		t.Errorf("shard 0 is %+v", sh)
	}
	s.When(prepared("n3", 6, 10, 0)).ThenDone()
}

// TestReleaseBeforePrepared: an owner that releases of its own accord is believed;
// the target gets the shard by an assignment, for it has not prepared.
func TestReleaseBeforePrepared(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0, 1}, To: "n3"}).ThenDone() // 12
	s.When(prepared("n3", 6, 10, 1)).ThenDone()                                    // 13
	s.When(release("n1", 2, 10, 0, 1, 2)).Then(
		handedOver(operator, over("n1", 2, "n3", 6, 1)),
		released(operator, of("n1", 2, 0, 2)), assigned(operator, of("n3", 6, 0))) // 14 to 16
	wantOwner(t, m, 1, "n3", 6, 14)
	wantOwner(t, m, 0, "n3", 6, 16)
	wantOwner(t, m, 2, "", 0, 10)
}

// TestHandoverByCause: shards that move for other reasons are other facts.
func TestHandoverByCause(t *testing.T) {
	s, _ := owned(t)
	start := commandtest.Start()
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenDone()
	s.When(shard.Rebalance{Namespace: ns, Moves: []shard.Relocation{{From: "n1", To: "n3", Shards: []uint32{1}}, {From: "n1", To: "n2", Shards: []uint32{2}}}}).ThenDone()
	s.When(prepared("n3", 6, 10, 0, 1)).Then(releasing(balance, start, move("n1", "n3", 1)), releasing(operator, start, move("n1", "n3", 0)))
	s.When(prepared("n2", 4, 10, 2)).ThenDone()
	s.When(release("n1", 2, 10, 0, 1, 2)).Then(
		handedOver(balance, over("n1", 2, "n2", 4, 2), over("n1", 2, "n3", 6, 1)), handedOver(operator, over("n1", 2, "n3", 6, 0)))
}

// TestTargetNotPrepared: the owner is never asked, keeps its fence, and is left
// alone; the two stages fail for reasons of their own.
func TestTargetNotPrepared(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0, 1}, To: "n3"}).ThenDone()
	s.When(prepared("n3", 6, 10, 1)).ThenDone()
	fail := shard.FailMoves{Namespace: ns, Shards: []uint32{0, 1}}
	s.After(shard.MoveDeadline - 1).When(fail).ThenRejected("deadline_not_reached")
	hold := uint32(shard.MoveHold / time.Millisecond)
	s.After(1).When(fail).Then(
		&eventsv1.ShardMoveFailed{Namespace: ns, Shards: pack(1), Cause: late, HoldMs: hold},
		&eventsv1.ShardMoveFailed{Namespace: ns, Shards: pack(0), Cause: cold, HoldMs: hold})
	for id := range uint32(2) {
		wantOwner(t, m, id, "n1", 2, 10)
		if sh := at(t, m, id); sh.MoveTo != "" || sh.MoveStage != 0 || sh.HeldUntil == 0 {
			t.Errorf("shard %d is %+v", id, sh)
		}
	}
	s.When(prepared("n3", 6, 10, 0)).ThenNothing()
}

// TestCancelInEitherStage: a report that comes after the cancel changes nothing.
func TestCancelInEitherStage(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0, 1}, To: "n3"}).ThenDone()
	s.When(prepared("n3", 6, 10, 1)).ThenDone()
	s.When(shard.CancelMoves{Namespace: ns, Shards: []uint32{0, 1}}).Then(&eventsv1.ShardMoveCancelled{Namespace: ns, Shards: pack(0, 1), Cause: operator})
	s.When(prepared("n3", 6, 10, 0, 1)).ThenNothing()
	if sh := at(t, m, 0); sh.Moving() || sh.MoveStage != 0 {
		t.Errorf("shard 0 is %+v", sh)
	}
	// A release that was on its way is logged, and the owner may have it again.
	r := release("n1", 2, 10, 1)
	r.Else = []shard.Target{target("n1", 2, 1)}
	s.When(r).Then(released(byOwner, of("n1", 2, 1)), assigned(byOwner, of("n1", 2, 1)))
}

// TestTargetRestarts: what a target's earlier session prepared counts no more, and
// the move goes on with the later one.
func TestTargetRestarts(t *testing.T) {
	s, _ := owned(t)
	start := commandtest.Start()
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenDone()                   // 12
	s.Given(closed("n3", 6), &eventsv1.SessionOpened{NodeId: "n3", TtlMs: 5000, SecretHash: nil}) // 13, 14
	s.When(prepared("n3", 6, 10, 0)).ThenRejected("session_not_found")
	s.When(prepared("n3", 14, 10, 0)).Then(releasing(operator, start, move("n1", "n3", 0)))
	s.When(release("n1", 2, 10, 0)).Then(handedOver(operator, over("n1", 2, "n3", 14, 0)))
}

// TestMoveOfAnOldLog: a move that was started before there was a prepare stage
// asks for the release at once.
func TestMoveOfAnOldLog(t *testing.T) {
	s, m := owned(t)
	old := moving(operator, commandtest.Start(), 0, move("n1", "n3", 0))
	old.Stage = eventsv1.MoveStage_MOVE_STAGE_UNSPECIFIED
	s.Given(old)
	if sh := at(t, m, 0); !sh.Releasing() {
		t.Errorf("shard 0 is %+v", sh)
	}
	s.When(release("n1", 2, 10, 0)).Then(handedOver(operator, over("n1", 2, "n3", 6, 0)))
}

// TestPauseEndsAPreparation (S10).
func TestPauseEndsAPreparation(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenDone()
	s.When(shard.Pause{Namespace: ns, Shards: []uint32{0}}).ThenDone()
	s.When(prepared("n3", 6, 10, 0)).ThenNothing()
	if sh := at(t, m, 0); sh.Moving() || !sh.Paused {
		t.Errorf("shard 0 is %+v", sh)
	}
}

// TestOverlap is a property of the namespace that may change, and shows in each
// shard.
func TestOverlap(t *testing.T) {
	s, m := owned(t)
	before := at(t, m, 0).Version
	on := true
	with := spec(8)
	with.Overlap = true
	s.When(shard.Update{Namespace: ns, Overlap: &on}).Then(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: with})
	s.When(shard.Update{Namespace: ns, Overlap: &on}).ThenNothing()
	if n, _ := m.Shard.Namespace(ns); !n.Spec.Overlap || at(t, m, 0).Version != before+1 {
		t.Errorf("the namespace is %+v, shard 0 %+v", n.Spec, at(t, m, 0))
	}
	s.When(shard.Create{Namespace: "other", Spec: shard.Spec{ShardCount: 1, Overlap: true}}).ThenDone()
}
