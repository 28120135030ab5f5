package shard_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestMove(t *testing.T) {
	s, m := owned(t)
	start := commandtest.Start()
	s.When(shard.Move{Namespace: ns, Shards: []uint32{5, 1, 0}, To: "n3"}).
		Then(moving(operator, start, shard.MoveHold, move("n1", "n3", 0, 1), move("n2", "n3", 5)))
	// It is desired state: the owner stays until it released.
	wantOwner(t, m, 0, "n1", 2, 10)
	n, _ := m.Shard.Namespace(ns)
	if n.Moving() != 3 {
		t.Errorf("%d are moving, want 3", n.Moving())
	}
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenRejected("shard_moving")
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}).ThenRejected("shard_moving")
	s.When(prepared("n3", 6, 10, 0, 1)).Then(releasing(operator, start, move("n1", "n3", 0, 1))) // 13
	// Released and assigned are one fact, under a new fence.
	s.When(release("n1", 2, 10, 0, 1)).Then(handedOver(operator, over("n1", 2, "n3", 6, 0, 1))) // 14
	wantOwner(t, m, 0, "n3", 6, 14)
	if sh := at(t, m, 0); sh.HeldUntil != start.Add(shard.MoveHold).UnixNano() || sh.MoveTo != "" {
		t.Errorf("shard 0 is %+v", sh)
	}
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenRejected("already_owner")
}

func TestMoveUnowned(t *testing.T) {
	s, m := owned(t)
	start := commandtest.Start()
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0, 7}, To: "n3"}).Then(
		moving(operator, start, shard.MoveHold, move("", "n3", 7), move("n1", "n3", 0)), assigned(operator, of("n3", 6, 7))) // 12, 13
	wantOwner(t, m, 7, "n3", 6, 13)
	if sh := at(t, m, 7); sh.HeldUntil == 0 || sh.Moving() {
		t.Errorf("shard 7 is %+v", sh)
	}
}

func TestMoveRefused(t *testing.T) {
	s, _ := owned(t)
	for _, c := range []struct {
		reason string
		cmd    shard.Move
	}{
		{"namespace_not_found", shard.Move{Namespace: "none", Shards: []uint32{0}, To: "n2"}},
		{"invalid_field", shard.Move{Namespace: ns, Shards: []uint32{0}}},
		{"invalid_field", shard.Move{Namespace: ns, To: "n2"}},
		{"node_not_found", shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n9"}},
		{"node_not_eligible", shard.Move{Namespace: ns, Shards: []uint32{0}, To: "g1"}},
		{"shard_not_found", shard.Move{Namespace: ns, Shards: []uint32{0, 8}, To: "n2"}},
		{"already_owner", shard.Move{Namespace: ns, Shards: []uint32{0, 4}, To: "n2"}},
		{"too_large", shard.Move{Namespace: ns, Shards: upTo(2001), To: "n2"}},
	} {
		s.When(c.cmd).ThenRejected(c.reason)
	}
	s.When(membership.Cordon{NodeID: "n2"}).ThenDone()
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}).ThenRejected("node_cordoned")
	s.Given(closed("n3", 6))
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenRejected("node_not_eligible")
}

func TestRebalance(t *testing.T) {
	s, m := owned(t)
	start := commandtest.Start()
	cmd := shard.Rebalance{Namespace: ns, Moves: []shard.Relocation{
		{From: "n1", To: "n3", Shards: []uint32{0}}, {From: "n2", To: "n3", Shards: []uint32{5}},
	}}
	s.When(cmd).Then(moving(balance, start, 0, move("n1", "n3", 0), move("n2", "n3", 5)))
	s.When(cmd).ThenRejected("shard_moving")
	s.When(shard.Rebalance{Namespace: ns}).ThenNothing()
	s.When(prepared("n3", 6, 10, 0)).Then(releasing(balance, start, move("n1", "n3", 0)))
	s.When(release("n1", 2, 10, 0)).Then(handedOver(balance, over("n1", 2, "n3", 6, 0)))
	if sh := at(t, m, 0); sh.HeldUntil != 0 {
		t.Errorf("a move for balance holds the shard: %+v", sh)
	}
}

func TestRebalanceRefused(t *testing.T) {
	s, _ := owned(t)
	one := func(from, to string, ids ...uint32) shard.Rebalance {
		return shard.Rebalance{Namespace: ns, Moves: []shard.Relocation{{From: from, To: to, Shards: ids}}}
	}
	s.When(shard.Rebalance{Namespace: "none"}).ThenRejected("namespace_not_found")
	s.When(one("n2", "n3", 0)).ThenRejected("not_owner")
	s.When(one("", "n3", 7)).ThenRejected("not_owner")
	s.When(one("n1", "n1", 0)).ThenRejected("not_owner")
	s.When(one("n1", "n9", 0)).ThenRejected("node_not_found")
	s.When(one("n1", "g1", 0)).ThenRejected("node_not_eligible")
	s.When(one("n1", "n3", 9)).ThenRejected("shard_not_found")
	s.When(one("n1", "n3")).ThenInvalid("shardIds")
	twice := one("n1", "n3", 0)
	twice.Moves = append(twice.Moves, shard.Relocation{From: "n1", To: "n2", Shards: []uint32{0}})
	s.When(twice).ThenRejected("shard_moving")
	// A shard that was moved by hand stays for its hold (S9).
	s.When(shard.Move{Namespace: ns, Shards: []uint32{7}, To: "n3"}).ThenDone()
	s.When(one("n3", "n1", 7)).ThenRejected("shard_held")
	s.After(shard.MoveHold - 1).When(one("n3", "n1", 7)).ThenRejected("shard_held")
	s.After(1).When(one("n3", "n1", 7)).ThenDone()
}

// TestRelease: only the current owner, session and fence give a shard up (S7).
func TestRelease(t *testing.T) {
	s, m := owned(t)
	for name, r := range map[string]shard.Release{
		"other node":    release("n2", 2, 10, 0),
		"other session": release("n1", 4, 10, 0),
		"lower fence":   release("n1", 2, 9, 0),
		"higher fence":  release("n1", 2, 11, 0),
		"no fence":      release("n1", 2, 0, 0),
		"unowned":       release("n1", 2, 10, 7),
		"no such shard": release("n1", 2, 10, 800),
		"nothing":       release("n1", 2, 10),
	} {
		t.Run(name, func(t *testing.T) { s.When(r).ThenNothing() })
	}
	s.When(shard.Release{Namespace: "none"}).ThenRejected("namespace_not_found")
	s.When(release("n1", 2, 10, upTo(2001)...)).ThenRejected("too_large")
	wantOwner(t, m, 0, "n1", 2, 10)
	// Stale ones are passed over beside good ones; twice is once.
	r := release("n1", 2, 10, 1, 0, 4, 0)
	r.Shards[0].Fence = 9
	s.When(r).Then(released(byOwner, of("n1", 2, 0)))
	if sh := at(t, m, 0); sh.Owner != "" || sh.LastOwner != "n1" {
		t.Errorf("shard 0 is %+v", sh)
	}
	s.When(r).ThenNothing()
}

// TestReleaseElse: what has no move, or whose target is lost, goes where the
// controller says, if that is allowed; it may be the same node with a new fence.
func TestReleaseElse(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0, 1, 2}, To: "n2"}).ThenDone() // 12
	s.Given(closed("n2", 4))                                                          // 13: the target is lost
	r := release("n1", 2, 10, 0, 1, 2, 3)
	r.Else = []shard.Target{target("n3", 6, 0), target("n1", 2, 1), target("n9", 2, 2)}
	s.When(r).Then(released(operator, of("n1", 2, 0, 1, 2, 3)), assigned(operator, of("n3", 6, 0), of("n1", 2, 1))) // 14, 15
	wantOwner(t, m, 0, "n3", 6, 15)
	wantOwner(t, m, 1, "n1", 2, 15)
	wantOwner(t, m, 2, "", 0, 10)
	wantOwner(t, m, 3, "", 0, 10)
	if sh := at(t, m, 0); sh.HeldUntil != 0 {
		t.Errorf("a shard that went elsewhere is held: %+v", sh)
	}
	// A late repetition with the old fence does not take the new assignment.
	s.When(release("n1", 2, 10, 1)).ThenNothing()
}

func TestFailMoves(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}).ThenDone()
	s.When(prepared("n2", 4, 10, 0)).ThenDone()
	fail := shard.FailMoves{Namespace: ns, Shards: []uint32{0}}
	s.When(shard.FailMoves{Namespace: "none", Shards: []uint32{0}}).ThenRejected("namespace_not_found")
	s.When(shard.FailMoves{Namespace: ns, Shards: []uint32{1}}).ThenRejected("shard_not_moving")
	s.When(fail).ThenRejected("deadline_not_reached")
	s.After(shard.MoveDeadline - time.Millisecond).When(fail).ThenRejected("deadline_not_reached")
	s.After(time.Millisecond).When(fail).Then(&eventsv1.ShardMoveFailed{Namespace: ns, Shards: pack(0), Cause: late,
		HoldMs: uint32(shard.MoveHold / time.Millisecond)})
	// Never reassigned for that: the owner stays, and is left alone.
	wantOwner(t, m, 0, "n1", 2, 10)
	s.When(fail).ThenRejected("shard_not_moving")
	s.When(shard.Rebalance{Namespace: ns, Moves: []shard.Relocation{{From: "n1", To: "n2", Shards: []uint32{0}}}}).ThenRejected("shard_held")
	// A release that comes after all is logged all the same.
	s.When(release("n1", 2, 10, 0)).Then(released(byOwner, of("n1", 2, 0)))
}

func TestCancelMoves(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0, 1}, To: "n2"}).ThenDone()
	cancel := func(targetLost bool, ids ...uint32) shard.CancelMoves {
		return shard.CancelMoves{Namespace: ns, Shards: ids, TargetLost: targetLost}
	}
	s.When(shard.CancelMoves{Namespace: "none", Shards: []uint32{0}}).ThenRejected("namespace_not_found")
	s.When(cancel(false, 2)).ThenRejected("shard_not_moving")
	s.When(cancel(true, 0)).ThenRejected("target_still_eligible")
	s.When(cancel(false, 0)).Then(&eventsv1.ShardMoveCancelled{Namespace: ns, Shards: pack(0), Cause: operator})
	wantOwner(t, m, 0, "n1", 2, 10)
	s.When(cancel(false, 0)).ThenRejected("shard_not_moving")
	s.Given(closed("n2", 4))
	s.When(cancel(true, 1)).Then(&eventsv1.ShardMoveCancelled{Namespace: ns, Shards: pack(1), Cause: lost})
	n, _ := m.Shard.Namespace(ns)
	if n.Moving() != 0 {
		t.Errorf("%d are moving", n.Moving())
	}
}

// TestMoveOutlivesOwner: the wish of an operator is not lost with the owner.
func TestMoveOutlivesOwner(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}).ThenDone()
	s.Given(closed("n1", 2))
	if sh := at(t, m, 0); sh.Moving() || sh.MoveTo != "n2" || sh.Owner != "" {
		t.Errorf("shard 0 is %+v", sh)
	}
	s.After(shard.MoveDeadline).When(shard.FailMoves{Namespace: ns, Shards: []uint32{0}}).ThenRejected("shard_not_moving")
	s.When(assign(target("n2", 4, 0))).ThenDone()
	if sh := at(t, m, 0); sh.Owner != "n2" || sh.HeldUntil == 0 || sh.MoveTo != "" {
		t.Errorf("shard 0 is %+v", sh)
	}
}

// TestHoldStaysWithItsNode (S9): a shard that was moved by hand, and that its new
// owner gives back and gets again, is held as before; with another node the hold
// ends.
func TestHoldStaysWithItsNode(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{7}, To: "n3"}).ThenDone()
	held := at(t, m, 7).HeldUntil
	s.Given(released(byOwner, of("n3", 6, 7)))
	s.When(assign(target("n3", 6, 7))).ThenDone()
	if sh := at(t, m, 7); sh.Owner != "n3" || sh.HeldUntil != held || held == 0 {
		t.Errorf("shard 7 is %+v, was held until %d", sh, held)
	}
	s.Given(released(byOwner, of("n3", 6, 7)))
	s.When(assign(target("n1", 2, 7))).ThenDone()
	if sh := at(t, m, 7); sh.Owner != "n1" || sh.HeldUntil != 0 {
		t.Errorf("shard 7 is %+v", sh)
	}
}

// TestDrainMoves: the drain of its owner moves a shard that is held, and nothing
// but a drain does; when it is over the moves that are not released are taken back.
func TestDrainMoves(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{7}, To: "n1"}).ThenDone() // held
	move := shard.Rebalance{Namespace: ns, Drain: true, Moves: []shard.Relocation{{From: "n1", To: "n3", Shards: []uint32{0, 7}}}}
	s.When(move).ThenRejected("node_not_draining")
	s.Given(&eventsv1.NodeDrainStarted{NodeId: "n1"})
	s.When(move).ThenDone()
	d, _ := m.Shard.Namespace(ns)
	if sh := d.Shard(7); sh.MoveTo != "n3" || sh.MoveCause != eventsv1.ShardCause_SHARD_CAUSE_DRAIN {
		t.Errorf("the held shard is %+v", *sh)
	}
	back := shard.CancelMoves{Namespace: ns, Shards: []uint32{0}, DrainOver: true}
	s.When(back).ThenRejected("drain_goes_on")
	s.When(shard.Move{Namespace: ns, Shards: []uint32{4}, To: "n3"}).ThenDone()
	s.When(shard.CancelMoves{Namespace: ns, Shards: []uint32{4}, DrainOver: true}).ThenRejected("drain_goes_on")
	s.Given(&eventsv1.NodeDrainCancelled{NodeId: "n1"})
	s.When(back).Then(&eventsv1.ShardMoveCancelled{Namespace: ns, Shards: pack(0), Cause: eventsv1.ShardCause_SHARD_CAUSE_DRAIN})
	s.Given(&eventsv1.NodeCordoned{NodeId: "n2"}).When(shard.Move{Namespace: ns, Shards: []uint32{1}, To: "n2"}).ThenRejected("node_cordoned")
	s.Given(&eventsv1.NodeDrainStarted{NodeId: "n2"}).When(shard.Move{Namespace: ns, Shards: []uint32{1}, To: "n2"}).ThenRejected("node_draining")
	s.Given(&eventsv1.NodeDrained{NodeId: "n2"}).When(shard.Move{Namespace: ns, Shards: []uint32{1}, To: "n2"}).ThenRejected("node_drained")
}
