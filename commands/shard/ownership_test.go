package shard_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

const (
	fenced  = eventsv1.Ownership_OWNERSHIP_FENCED
	sticky  = eventsv1.Ownership_OWNERSHIP_STICKY
	forced  = eventsv1.ShardCause_SHARD_CAUSE_FORCED
	rebound = eventsv1.ShardCause_SHARD_CAUSE_REBOUND

	silence   = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED
	left      = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT
	restarted = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED
	byForce   = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED
)

// owning is mesh, but demo (at position 9) is owned in a mode: 0 to 3 by n1 under
// fence 10, 4 and 5 by n2 under 11. The next position is 12.
func owning(t *testing.T, mode eventsv1.Ownership, ttl time.Duration) (*commandtest.Scenario, *model.Model) {
	m := model.New()
	s := commandtest.New(t, m)
	for _, id := range []string{"n1", "n2", "n3", "n4"} {
		h := events.HashOf([]byte(id))
		s.Given(&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: "worker", Weight: 1}},
			&eventsv1.SessionOpened{NodeId: id, TtlMs: 5000, SecretHash: h[:], Incarnation: 1})
	}
	sp := spec(8)
	sp.Ownership, sp.OwnershipTtlMs = mode, uint32(ttl/time.Millisecond)
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 8, Ownership: mode, OwnershipTTL: ttl}}).
		Then(&eventsv1.NamespaceCreated{Namespace: ns, Spec: sp})
	return s.Given(assigned(placement, of("n1", 2, 0, 1, 2, 3)), assigned(placement, of("n2", 4, 4, 5))), m
}

func closing(node string, session uint64) *eventsv1.SessionClosing {
	return &eventsv1.SessionClosing{NodeId: node, Session: session, Cause: byForce}
}

func closedFor(node string, session uint64, cause eventsv1.SessionCloseCause) *eventsv1.SessionClosed {
	return &eventsv1.SessionClosed{NodeId: node, Session: session, Cause: cause}
}

func expire(node string, session events.Position) shard.ExpireOwnership {
	return shard.ExpireOwnership{NodeID: node, Session: session, Namespaces: []string{ns}}
}

func expiredIn(node string, session uint64) *eventsv1.OwnershipExpired {
	return &eventsv1.OwnershipExpired{NodeId: node, Session: session, Namespaces: []string{ns}}
}

// reopen opens a session of a node from its data directory, or from another.
func reopen(node, directory string, incarnation uint64) membership.OpenSession {
	return membership.OpenSession{Node: membership.Descriptor{NodeID: node, Role: "worker", Weight: 1},
		SecretHash: events.HashOf([]byte(directory)), Incarnation: incarnation}
}

func force(to string, ids ...uint32) shard.Move {
	return shard.Move{Namespace: ns, Shards: ids, To: to, Force: true}
}

// TestSessionEndsOwnerships is the table of DESIGN.md. Shard 0 is being moved by
// force, shard 1 is not.
func TestSessionEndsOwnerships(t *testing.T) {
	const ride = 30 * time.Second
	type ends struct{ forced, other bool }
	for _, c := range []struct {
		mode                                  eventsv1.Ownership
		ttl                                   time.Duration
		silence, left, restarted, closedForce ends
	}{
		{lease, 0, ends{true, true}, ends{true, true}, ends{true, true}, ends{true, true}},
		{lease, ride, ends{false, false}, ends{true, true}, ends{true, true}, ends{false, false}},
		{fenced, 0, ends{true, true}, ends{true, true}, ends{true, true}, ends{true, true}},
		{fenced, ride, ends{true, false}, ends{true, true}, ends{true, true}, ends{true, false}},
		{sticky, 0, ends{true, false}, ends{true, true}, ends{true, false}, ends{true, false}},
	} {
		for cause, want := range map[eventsv1.SessionCloseCause]ends{silence: c.silence, left: c.left, restarted: c.restarted, byForce: c.closedForce} {
			s, m := owning(t, c.mode, c.ttl)
			s.When(force("n3", 0)).ThenDone()
			s.Given(closedFor("n1", 2, cause))
			for id, ended := range []bool{want.forced, want.other} {
				sh := at(t, m, uint32(id))
				if (sh.Owner == "") != ended || sh.Silent == ended {
					t.Errorf("%s %s, %s: shard %d is %+v, want ended %t", c.mode, c.ttl, cause, id, sh, ended)
				}
				if !ended && (sh.Session != 2 || sh.Fence != 10) {
					t.Errorf("%s %s, %s: shard %d is %+v, want session 2 and fence 10", c.mode, c.ttl, cause, id, sh)
				}
			}
			wantOwner(t, m, 4, "n2", 4, 11)
		}
	}
}

// TestOwnershipTTLBounds: not less than a session, not more than an hour, and none
// where silence ends nothing.
func TestOwnershipTTLBounds(t *testing.T) {
	create := func(mode eventsv1.Ownership, ttl time.Duration) shard.Create {
		return shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1, Ownership: mode, OwnershipTTL: ttl}}
	}
	s := commandtest.New(t, model.New())
	s.When(policy.SetSession{TTL: 8 * time.Second}).ThenDone()
	for _, mode := range []eventsv1.Ownership{lease, fenced} {
		for _, ttl := range []time.Duration{-time.Second, 8*time.Second - time.Millisecond, time.Hour + time.Millisecond} {
			s.When(create(mode, ttl)).ThenInvalid("ownershipTtlMs")
		}
	}
	s.When(create(sticky, time.Minute)).ThenInvalid("ownershipTtlMs")
	s.When(create(lease, 8*time.Second)).ThenDone()
	s.When(shard.Create{Namespace: "hour", Spec: shard.Spec{ShardCount: 1, Ownership: fenced, OwnershipTTL: time.Hour}}).ThenDone()
}

// TestOwnershipExpired: time ends what a closed session owns, once, and nothing
// that a live one does.
func TestOwnershipExpired(t *testing.T) {
	for _, mode := range []eventsv1.Ownership{lease, fenced} {
		s, m := owning(t, mode, 30*time.Second)
		s.When(expire("n1", 2)).ThenRejected("session_open")
		s.Given(closed("n1", 2))
		s.When(assign(target("n3", 6, 0))).ThenRejected("shard_owned")
		s.When(shard.ExpireOwnership{NodeID: "n1", Session: 2, Namespaces: []string{"none", ns, ns}}).Then(expiredIn("n1", 2))
		wantOwner(t, m, 0, "", 0, 10)
		if sh := at(t, m, 0); sh.LastOwner != "n1" || sh.Silent {
			t.Errorf("shard 0 is %+v", sh)
		}
		s.When(expire("n1", 2)).ThenNothing()
		s.When(expire("n9", 2)).ThenNothing()
		s.When(assign(target("n3", 6, 0))).ThenDone()
		wantOwner(t, m, 4, "n2", 4, 11)
	}
	s, _ := owning(t, lease, 30*time.Second)
	s.When(shard.ExpireOwnership{NodeID: "n1", Session: 1, Namespaces: make([]string, shard.MaxExpired+1)}).ThenRejected("too_large")
}

// TestStickyOutlastsSilence: no time ends a sticky ownership; a leave of its node
// from the same data directory does, and the deletion of its namespace lets it end.
func TestStickyOutlastsSilence(t *testing.T) {
	s, m := owning(t, sticky, 0)
	s.Given(closed("n1", 2))
	s.When(expire("n1", 2)).ThenRejected("ownership_sticky")
	s.When(assign(target("n3", 6, 0))).ThenRejected("shard_owned")
	// A session of another directory that leaves says nothing of this one.
	s.When(reopen("n1", "other disk", 1)).ThenDone()
	other := s.Position()
	s.When(membership.Leave{NodeID: "n1", Session: other, SecretHash: events.HashOf([]byte("other disk"))}).ThenDone()
	s.When(expire("n1", 2)).ThenRejected("ownership_sticky")
	wantOwner(t, m, 0, "n1", 2, 10)

	s.Given(closed("n2", 4))
	s.When(reopen("n2", "n2", 2)).ThenDone()
	s.When(expire("n2", 4)).ThenRejected("ownership_sticky")
	s.When(membership.Leave{NodeID: "n2", Session: s.Position(), SecretHash: events.HashOf([]byte("n2"))}).ThenDone()
	s.When(expire("n2", 4)).Then(expiredIn("n2", 4))
	wantOwner(t, m, 4, "", 0, 11)

	s.When(shard.Delete{Namespace: ns}).ThenDone()
	s.When(expire("n1", 2)).Then(expiredIn("n1", 2))
	s.When(shard.FinishDelete{Namespace: ns}).ThenDone()
}

// TestRebind: what an ended session owns is bound to the next one of its data
// directory, with a new fence, and to no other.
func TestRebind(t *testing.T) {
	for _, c := range []struct {
		mode eventsv1.Ownership
		ttl  time.Duration
	}{{lease, 30 * time.Second}, {fenced, 30 * time.Second}, {sticky, 0}} {
		s, m := owning(t, c.mode, c.ttl)
		rebind := shard.Rebind{Namespace: ns, NodeID: "n1", From: 2, Session: 2, Shards: []uint32{0, 1, 2}}
		s.When(rebind).ThenRejected("session_not_found") // it is no heir of itself
		s.When(shard.Move{Namespace: ns, Shards: []uint32{1}, To: "n3"}).ThenDone()
		s.When(shard.Pause{Namespace: ns, Shards: []uint32{2}}).ThenDone()
		s.Given(closed("n1", 2))
		s.When(rebind).ThenRejected("session_not_found")
		s.When(reopen("n1", "n1", 1)).ThenDone()
		rebind.Session = s.Position()
		// A cordon, a pause and a move do not take from a node what it has (S3, S10).
		s.When(membership.Cordon{NodeID: "n1"}).ThenDone()
		s.When(shard.Rebind{Namespace: ns, NodeID: "n1", From: 2, Session: rebind.Session, Shards: []uint32{4}}).ThenRejected("not_owner")
		s.When(shard.Rebind{Namespace: ns, NodeID: "n1", From: 2, Session: 4, Shards: []uint32{0}}).ThenRejected("session_not_found")
		s.When(rebind).Then(assigned(rebound, of("n1", uint64(rebind.Session), 0, 1, 2)))
		fence := s.Position()
		for id := range uint32(3) {
			wantOwner(t, m, id, "n1", rebind.Session, fence)
		}
		if sh := at(t, m, 1); sh.MoveTo != "n3" || sh.Silent {
			t.Errorf("shard 1 is %+v, want a move to n3 that goes on", sh)
		}
		wantOwner(t, m, 3, "n1", 2, 10)
		s.When(rebind).ThenRejected("not_owner")
	}
}

// TestRebindNeedsTheDirectory: a process with another data directory may run while
// the one that owned still does (S1).
func TestRebindNeedsTheDirectory(t *testing.T) {
	s, m := owning(t, lease, 30*time.Second)
	s.Given(closed("n1", 2))
	s.When(reopen("n1", "other disk", 1)).ThenDone()
	other := s.Position()
	s.When(shard.Rebind{Namespace: ns, NodeID: "n1", From: 2, Session: other, Shards: []uint32{0}}).ThenRejected("session_not_found")
	// And when the first comes back after it, the log does not know it again.
	s.Given(closed("n1", uint64(other)))
	s.When(reopen("n1", "n1", 2)).ThenDone()
	s.When(shard.Rebind{Namespace: ns, NodeID: "n1", From: 2, Session: s.Position(), Shards: []uint32{0}}).ThenRejected("session_not_found")
	wantOwner(t, m, 0, "n1", 2, 10)
}

// TestForcedMove: a live owner's session is closed first, and given nothing
// meanwhile; other shards keep to their modes.
func TestForcedMove(t *testing.T) {
	s, m := owning(t, sticky, 0)
	now := commandtest.Start()
	s.When(force("n3", 0, 4, 7)).Then(
		moving(forced, now, shard.MoveHold, move("", "n3", 7), move("n1", "n3", 0), move("n2", "n3", 4)),
		assigned(forced, of("n3", 6, 7)),
		closing("n1", 2), closing("n2", 4))
	wantOwner(t, m, 0, "n1", 2, 10)
	s.When(assign(target("n1", 2, 6))).ThenRejected("session_closing")
	s.When(force("n3", 0)).ThenRejected("shard_moving")
	s.When(force("n1", 4)).ThenRejected("session_closing")
	s.When(force("n4", 0)).Then(moving(forced, now, shard.MoveHold, move("n1", "n4", 0))) // it closes already
	s.After(shard.MoveDeadline)
	s.When(shard.FailMoves{Namespace: ns, Shards: []uint32{0}}).ThenRejected("move_forced")
	s.Given(closedFor("n1", 2, byForce))
	if sh := at(t, m, 0); sh.Owner != "" || sh.MoveTo != "n4" {
		t.Errorf("shard 0 is %+v, want one without owner, to be placed on n4", sh)
	}
	if sh := at(t, m, 1); sh.Owner != "n1" || !sh.Silent {
		t.Errorf("shard 1 is %+v: nobody asked for it", sh)
	}
}

// TestForcedMoveOfSilent: an operator passes over an owner whose ownership is kept
// by fences or by his word; one that may ride through has its time first (S1).
func TestForcedMoveOfSilent(t *testing.T) {
	for _, c := range []struct {
		mode eventsv1.Ownership
		ttl  time.Duration
	}{{lease, time.Minute}, {fenced, time.Minute}, {sticky, 0}} {
		s, m := owning(t, c.mode, c.ttl)
		s.Given(closed("n1", 2))
		s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n3"}).ThenRejected("owner_silent")
		s.When(shard.Rebalance{Namespace: ns, Moves: []shard.Relocation{{From: "n1", To: "n3", Shards: []uint32{0}}}}).ThenRejected("owner_silent")
		s.When(shard.Pause{Namespace: ns, Shards: []uint32{3}}).ThenDone()
		s.When(force("n3", 3)).ThenRejected("shard_paused")
		s.When(force("n1", 4)).ThenRejected("node_not_eligible")
		s.When(force("n2", 5)).ThenRejected("already_owner")
		started := moving(forced, commandtest.Start(), shard.MoveHold, move("n1", "n3", 0))
		if c.mode != lease {
			s.When(force("n3", 0)).Then(started, released(forced, of("n1", 2, 0)), assigned(forced, of("n3", 6, 0)))
			wantOwner(t, m, 0, "n3", 6, s.Position())
			continue
		}
		s.When(force("n3", 0)).Then(started)
		wantOwner(t, m, 0, "n1", 2, 10)
		// Its node comes back, and is not bound to what is taken from it.
		s.When(reopen("n1", "n1", 2)).ThenDone()
		s.When(shard.Rebind{Namespace: ns, NodeID: "n1", From: 2, Session: s.Position(), Shards: []uint32{0}}).ThenRejected("move_forced")
		s.When(expire("n1", 2)).Then(expiredIn("n1", 2))
		if sh := at(t, m, 0); sh.Owner != "" || sh.MoveTo != "n3" {
			t.Errorf("shard 0 is %+v, want one without owner, to be placed on n3", sh)
		}
	}
}
