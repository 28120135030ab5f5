package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// demo is a shard of the namespace that every scenario has.
func demo(id uint32) member.Ref { return member.Ref{Namespace: "demo", Shard: id} }

// handoffOf picks a shard, its owner, and another node.
func (s *scenario) handoffOf() (id uint32, from, to *process) {
	from = s.owner()
	to = s.members[0]
	if to == from {
		to = s.members[1]
	}
	return s.shardsOf(from.name)[0], from, to
}

// TestMove is S7: prepare, release, assign, which are three facts; the callback of
// the old owner has returned before (the checker looks), and the new one has a
// higher fence.
func TestMove(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		s := settled(t, seed, 1, 3, 12)
		id, _, to := s.handoffOf()
		before, at := s.check.owners[demo(id)], s.position()
		s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
		s.rests(2 * time.Second)
		after := s.check.owners[demo(id)]
		if after.node != to.name || after.fence <= before.fence {
			t.Errorf("shard %d went from %+v to %+v", id, before, after)
		}
		if n := s.since(at); n["ShardMoveReleasing"] == 0 || n["ShardMoveReleasing"] != n["ShardMoveStarted"] ||
			n["ShardsHandedOver"] != n["ShardMoveStarted"] || n["ShardsReleased"]+n["ShardsAssigned"] != 0 {
			t.Errorf("events %v", n)
		}
	}
}

// TestOwnerNotReleasing: its callback does not return by the deadline. The move
// fails, and the owner keeps the shard with the fence that it has: it is alive.
func TestOwnerNotReleasing(t *testing.T) {
	s := settled(t, 3, 1, 3, 12)
	id, from, to := s.handoffOf()
	before, at := s.check.owners[demo(id)], s.position()
	from.stuck = true
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
	s.passes(shard.MoveDeadline - time.Second)
	if n := s.since(at); n["ShardMoveStarted"] != 1 || n["ShardMoveFailed"] != 0 {
		t.Errorf("before the deadline: %v", n)
	}
	s.passes(2*time.Minute + 2*time.Second)
	if n := s.since(at); n["ShardMoveFailed"] != 1 || n["ShardsReleased"] != 0 || n["ShardsAssigned"] != 0 || n["SessionClosed"] != 0 || n["ShardMoveStarted"] != 1 {
		t.Errorf("after the deadline: %v", n)
	}
	if after := s.check.owners[demo(id)]; after != before {
		t.Errorf("it was %+v and is %+v", before, after)
	}
	if from.running[demo(id)] != int64(before.fence) {
		t.Error("its callback does not run")
	}
}

// TestLateRelease: the callback returns after its move has failed. The release is
// logged all the same, and the shard goes back to its owner with a new fence.
func TestLateRelease(t *testing.T) {
	s := settled(t, 4, 1, 3, 12)
	id, from, to := s.handoffOf()
	before, at := s.check.owners[demo(id)], s.position()
	from.stuck = true
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
	s.passes(shard.MoveDeadline + 2*time.Second)
	from.stuck = false
	delete(from.running, demo(id))
	delete(from.owning, demo(id))
	from.step(member.Ended{Ref: demo(id), Fence: int64(before.fence)})
	s.rests(3 * time.Second)
	if n := s.since(at); n["ShardMoveFailed"] != 1 || n["ShardsReleased"] != 1 || n["ShardsAssigned"] != 1 {
		t.Errorf("events %v", n)
	}
	if after := s.check.owners[demo(id)]; after.node != from.name || after.fence <= before.fence {
		t.Errorf("it was %+v and is %+v", before, after)
	}
}

// TestTargetDies: the new owner dies before the release: the move is cancelled,
// the release that comes after it is logged, and its owner has it again.
func TestTargetDies(t *testing.T) {
	s := settled(t, 5, 1, 3, 12)
	id, from, to := s.handoffOf()
	before, at := s.check.owners[demo(id)], s.position()
	from.stuck = true
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
	s.passes(100 * time.Millisecond)
	to.kill()
	s.passes(2 * ttl)
	if n := s.since(at); n["ShardMoveCancelled"] != 1 || n["ShardMoveFailed"] != 0 {
		t.Errorf("after the target died: %v", n)
	}
	if after := s.check.owners[demo(id)]; after != before {
		t.Errorf("it was %+v and is %+v", before, after)
	}
	from.stuck = false
	delete(from.running, demo(id))
	delete(from.owning, demo(id))
	from.step(member.Ended{Ref: demo(id), Fence: int64(before.fence)})
	s.passes(3 * time.Second)
	if after := s.check.owners[demo(id)]; after.node != from.name || after.fence <= before.fence {
		t.Errorf("it was %+v and is %+v", before, after)
	}
}

// TestOwnerDiesWhileMoving: the owner dies before it released. Its lease is
// waited out, and the shard goes where it was to go: each of its shards, to each
// of the others, so that none gets there by chance.
func TestOwnerDiesWhileMoving(t *testing.T) {
	for n := range 4 {
		for other := range 2 {
			s := settled(t, 6, 1, 3, 12)
			from := s.owner()
			id := s.shardsOf(from.name)[n]
			others := slices.DeleteFunc(slices.Clone(s.members), func(p *process) bool { return p == from })
			to, before := others[other], s.check.owners[demo(id)]
			from.stuck = true
			s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
			s.passes(100 * time.Millisecond)
			from.kill()
			s.passes(ttl / 2)
			if now := s.check.owners[demo(id)]; now != before { // others may be balanced meanwhile
				t.Errorf("shard %d was %+v and is %+v before its owner's lease ended", id, before, now)
			}
			s.passes(2 * ttl)
			if after := s.check.owners[demo(id)]; after.node != to.name {
				t.Errorf("shard %d is %+v, want it at %s", id, after, to.name)
			}
		}
	}
}

// TestStaleReport: a report with the fence of an earlier assignment releases
// nothing, neither as a report nor as a command.
func TestStaleReport(t *testing.T) {
	s := settled(t, 7, 1, 3, 12)
	id, from, to := s.handoffOf()
	before := s.check.owners[demo(id)]
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
	s.rests(2 * time.Second)
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: from.name})
	s.rests(2 * time.Second)
	now, at := s.check.owners[demo(id)], s.position()
	if now.node != from.name || now.session != before.session || now.fence <= before.fence {
		t.Fatalf("it was %+v and is %+v", before, now)
	}
	// The report of the first release comes again, long delayed.
	leader := s.check.leader()
	stale := []sessions.Held{{Namespace: "demo", Shard: id, Fence: events.Position(before.fence), State: sessions.Released}}
	digest := sessions.Digest(stale)
	if _, err := leader.beat(sessions.Heartbeat{
		NodeID: from.name, Session: events.Position(before.session), Secret: from.secret, Held: stale, Digest: digest[:], Full: true,
	}); err != nil {
		t.Fatal(err)
	}
	s.submit(shard.Release{Namespace: "demo", NodeID: from.name, Session: events.Position(before.session),
		Shards: []shard.Released{{Shard: id, Fence: events.Position(before.fence)}}})
	s.rests(3 * time.Second)
	if n := s.since(at); n["ShardsReleased"] != 0 || s.check.owners[demo(id)] != now {
		t.Errorf("events %v; it was %+v and is %+v", n, now, s.check.owners[demo(id)])
	}
}
