package sim

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/drainer"
)

// lifecycle is a node's, by the log.
func (s *scenario) lifecycle(node string) membership.Lifecycle {
	n, _ := s.check.replica.Membership.Node(node)
	return n.Lifecycle
}

// blockers of a node's drain, as the leader tells them.
func (s *scenario) blockers(node string) []drainer.Blocker {
	s.t.Helper()
	leader := s.check.leader()
	if leader == nil {
		s.t.Fatal("nobody leads")
	}
	v := leader.core.View()
	n, _ := v.Model.Membership.Node(node)
	return drainer.Look(v.Model, n, leader.relay.Keeper, leader.clock().Wall).Blockers
}

// TestDrain is A7: the node gives away what it has, by handoffs alone, and is
// drained when nothing is left; the leaderships that it had go to others.
func TestDrain(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		s := settled(t, seed, 1, 3, 12)
		from, at := s.owner(), s.position()
		s.submit(membership.Drain{NodeID: from.name})
		s.passes(4 * time.Second)
		if s.lifecycle(from.name) != membership.Drained {
			t.Fatalf("seed %d: %s is %s, owns %v, blocked by %v", seed, from.name, s.lifecycle(from.name), s.shardsOf(from.name), s.blockers(from.name))
		}
		n := s.since(at)
		if n["SessionClosed"] != 0 || n["ShardMoveFailed"] != 0 || n["NodeDrained"] != 1 || n["NodeDrainStalled"] != 0 {
			t.Errorf("seed %d: events %v", seed, n)
		}
		s.submit(membership.Uncordon{NodeID: from.name})
		s.rests(5 * time.Second)
		if s.owned()[from.name] == 0 {
			t.Errorf("seed %d: opened again it owns nothing", seed)
		}
	}
}

// TestDrainCancelled: what is not released when the drain is cancelled stays where
// it is, with the fence that it has.
func TestDrainCancelled(t *testing.T) {
	s := settled(t, 2, 1, 3, 12)
	from := s.owner()
	before := s.owners()
	from.stuck = true
	s.submit(membership.Drain{NodeID: from.name})
	s.passes(200 * time.Millisecond)
	moving := 0
	ns, _ := s.check.replica.Shard.Namespace("demo")
	for _, id := range s.shardsOf(from.name) {
		if ns.Shard(id).Moving() {
			moving++
		}
	}
	if moving == 0 {
		t.Fatal("nothing moves: this tests nothing")
	}
	at := s.position()
	s.submit(membership.CancelDrain{NodeID: from.name})
	s.passes(300 * time.Millisecond)
	if n := s.since(at); n["ShardMoveCancelled"] == 0 || n["ShardsReleased"] != 0 || n["ShardMoveStarted"] != 0 {
		t.Errorf("events %v", n)
	}
	ns, _ = s.check.replica.Shard.Namespace("demo")
	for _, id := range s.shardsOf(from.name) {
		if sh := ns.Shard(id); sh.Moving() && sh.MoveCause == eventsv1.ShardCause_SHARD_CAUSE_DRAIN {
			t.Errorf("shard %d moves still: %+v", id, *sh)
		}
		if s.check.owners[demo(id)] != before[demo(id)] {
			t.Errorf("shard %d was %+v and is %+v", id, before[demo(id)], s.check.owners[demo(id)])
		}
	}
}

// TestDrainOutlivesItsLeader: the control leader dies while moves are under way.
// The next one goes on without a word about the drain (L7).
func TestDrainOutlivesItsLeader(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		s := settled(t, seed, 3, 4, 16)
		from, leader := s.owner(), s.check.leader()
		from.stuck = true // its callbacks do not end until they are let go
		s.submit(membership.Drain{NodeID: from.name})
		s.passes(300 * time.Millisecond)
		if s.lifecycle(from.name) != membership.Draining {
			t.Fatalf("seed %d: it is %s", seed, s.lifecycle(from.name))
		}
		at := s.position()
		leader.kill()
		s.passes(5 * time.Second)
		if s.check.leader() == nil {
			t.Fatalf("seed %d: nobody leads", seed)
		}
		if n := s.since(at); n["NodeDrainStarted"]+n["NodeDrainStalled"]+n["NodeDrained"]+n["ShardMoveStarted"]+n["ShardMoveCancelled"] != 0 {
			t.Errorf("seed %d: the change of leader alone decides %v", seed, n)
		}
		s.letGo(from)
		s.passes(5 * time.Second)
		if s.lifecycle(from.name) != membership.Drained {
			t.Errorf("seed %d: it is %s, blocked by %v", seed, s.lifecycle(from.name), s.blockers(from.name))
		}
		leader.restart()
		s.submit(membership.Uncordon{NodeID: from.name})
		s.rests(8 * time.Second)
	}
}

// letGo ends the callbacks of a stuck process.
func (s *scenario) letGo(p *process) {
	p.stuck = false
	for ref, fence := range p.running {
		if _, owning := p.owning[ref]; !owning || p.asked(ref) {
			delete(p.running, ref)
			delete(p.owning, ref)
			p.step(member.Ended{Ref: ref, Fence: fence})
		}
	}
}

// asked reports whether the log asks for a shard's release.
func (p *process) asked(ref member.Ref) bool {
	ns, _ := p.w.check.replica.Shard.Namespace(ref.Namespace)
	return ns.Shard(ref.Shard).Moving()
}

// TestDrainBlockedByItsOwner: an owner that does not release is named, is asked
// again only when the drain is asked for again, and is passed over by its death.
func TestDrainBlockedByItsOwner(t *testing.T) {
	s := settled(t, 3, 1, 3, 6)
	from := s.owner()
	from.stuck = true
	mine := s.owned()[from.name]
	s.submit(membership.Drain{NodeID: from.name, Within: shard.MoveDeadline + 10*time.Second})
	at := s.position()
	s.passes(shard.MoveDeadline + 20*time.Second)
	n := s.since(at)
	if n["ShardMoveFailed"] == 0 || n["NodeDrainStalled"] != 1 || n["ShardsReleased"] != 0 {
		t.Errorf("events %v", n)
	}
	blockers := s.blockers(from.name)
	if len(blockers) != mine {
		t.Errorf("%d blockers, it owns %d: %v", len(blockers), mine, blockers)
	}
	for _, b := range blockers {
		if b.Kind != "shard" || b.Reason != "owner_not_releasing" {
			t.Errorf("blocked by %+v", b)
		}
	}
	at = s.position()
	s.passes(time.Minute)
	if n := s.since(at); n["ShardMoveStarted"] != 0 {
		t.Errorf("while it is left alone: %v", n)
	}
	s.submit(membership.Drain{NodeID: from.name})
	s.passes(time.Second)
	if n := s.since(at); n["ShardMoveStarted"] == 0 {
		t.Errorf("asked for again: %v", n)
	}
	from.kill()
	s.passes(3 * ttl)
	if s.lifecycle(from.name) != membership.Drained {
		t.Errorf("dead it is %s", s.lifecycle(from.name))
	}
	for ref, o := range s.owners() {
		if o.node == from.name {
			t.Errorf("it owns %v still", ref)
		}
	}
}

// TestDrainOfWhoLeaves: it gives up all by itself, and is drained; back again it
// takes nothing.
func TestDrainOfWhoLeaves(t *testing.T) {
	s := settled(t, 4, 1, 3, 12)
	from := s.owner()
	s.submit(membership.Drain{NodeID: from.name})
	from.step(member.Leaving{})
	s.passes(8 * time.Second) // it leaves, and starts again
	if s.lifecycle(from.name) != membership.Drained || s.owned()[from.name] != 0 || s.check.sessions[from.name] == 0 {
		t.Errorf("it is %s, owns %d, session %d", s.lifecycle(from.name), s.owned()[from.name], s.check.sessions[from.name])
	}
}

// TestDrainOfAll: with nobody to take the shards, each names that it is so, and
// nothing is lost.
func TestDrainOfAll(t *testing.T) {
	s := settled(t, 5, 1, 2, 6)
	for _, p := range s.members {
		s.submit(membership.Drain{NodeID: p.name})
	}
	s.passes(5 * time.Second)
	if n := len(s.owners()); n != 6 {
		t.Errorf("%d of 6 shards are owned", n)
	}
	named := 0
	for _, p := range s.members {
		for _, b := range s.blockers(p.name) {
			if b.Reason == "no_eligible_node" {
				named++
			}
		}
	}
	if named != 6 {
		t.Errorf("%d of 6 shards are named as without a node to go to", named)
	}
}

// TestMaintenanceWindow: it begins and ends by the clock, over a change of leader.
func TestMaintenanceWindow(t *testing.T) {
	s := settled(t, 6, 3, 3, 9)
	from, now := s.owner(), epoch+s.now
	s.submit(policy.CreateMaintenance{
		Name: "w", NodeIDs: []string{from.name}, Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN,
		Start: now + int64(5*time.Second), End: now + int64(25*time.Second),
	})
	s.passes(3 * time.Second)
	if s.lifecycle(from.name) != membership.Active {
		t.Errorf("before its start it is %s", s.lifecycle(from.name))
	}
	s.passes(7 * time.Second)
	if n, _ := s.check.replica.Membership.Node(from.name); n.Lifecycle != membership.Drained || n.Window != "w" {
		t.Errorf("in the window it is %s of %q", n.Lifecycle, n.Window)
	}
	at := s.position()
	s.check.leader().kill()
	s.passes(8 * time.Second)
	if n := s.since(at); n["NodeDrainStarted"]+n["NodeUncordoned"]+n["ShardsAssigned"] != 0 {
		t.Errorf("the change of leader decides %v", n)
	}
	s.passes(15 * time.Second)
	if n, _ := s.check.replica.Membership.Node(from.name); n.Lifecycle != membership.Active || n.Window != "" {
		t.Errorf("after its end it is %s of %q", n.Lifecycle, n.Window)
	}
}
