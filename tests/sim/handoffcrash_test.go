package sim

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
)

// steps are where a handoff can be interrupted, each held there by what has not
// happened yet, and released by go.
func steps() map[string]struct {
	hold, release func(from, to *process, id uint32, fence uint64)
} {
	returns := func(p *process, ref member.Ref, fence uint64) {
		if p.alive && p.running[ref] == int64(fence) {
			delete(p.running, ref)
			delete(p.owning, ref)
			p.step(member.Ended{Ref: ref, Fence: int64(fence)})
		}
	}
	warms := func(p *process, ref member.Ref) {
		if it := p.preps[ref]; p.alive && it != nil {
			p.prepared(ref, it, true)
		}
	}
	return map[string]struct {
		hold, release func(from, to *process, id uint32, fence uint64)
	}{
		"started": {
			func(_, to *process, _ uint32, _ uint64) { to.cold = true },
			func(_, to *process, id uint32, _ uint64) { to.cold = false; warms(to, demo(id)) },
		},
		"prepared": { // and not yet reported: the target is cut off
			func(_, to *process, _ uint32, _ uint64) { to.w.after(5*time.Millisecond, func() { to.cut = true }) },
			func(_, to *process, _ uint32, _ uint64) { to.cut = false },
		},
		"releasing": {
			func(from, _ *process, _ uint32, _ uint64) { from.stuck = true },
			func(from, _ *process, id uint32, fence uint64) { from.stuck = false; returns(from, demo(id), fence) },
		},
		"released": { // and not yet reported: the owner is cut off
			func(from, _ *process, id uint32, fence uint64) {
				from.stuck = true
				from.w.after(300*time.Millisecond, func() { from.cut = true; returns(from, demo(id), fence) })
			},
			func(from, _ *process, _ uint32, _ uint64) { from.stuck, from.cut = false, false },
		},
	}
}

// TestHandoffSurvivesEachDeath: the owner, the target, or the control leader dies,
// and comes back, at each step of a handoff. The shard always has an owner in the
// end, a dead target's move is given up, and every other one is done, by the owner
// that serves or with its lease waited out (S1, S2, S7: the checker looks).
func TestHandoffSurvivesEachDeath(t *testing.T) {
	for step, at := range steps() {
		for _, victim := range []string{"owner", "target", "leader"} {
			for seed := uint64(1); seed <= 5; seed++ {
				t.Run(fmt.Sprintf("%s/%s/%d", step, victim, seed), func(t *testing.T) {
					s := settled(t, seed, 3, 3, 12)
					id, from, to := s.handoffOf()
					before := s.check.owners[demo(id)]
					at.hold(from, to, id, before.fence)
					s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
					s.passes(600 * time.Millisecond)
					died := s.die(victim, from, to)
					at.release(from, to, id, before.fence)
					s.passes(ttl/2 + 200*time.Millisecond)
					died()
					s.rests(12 * time.Second)
					after := s.check.owners[demo(id)]
					if after.node == "" || after.fence < before.fence {
						t.Fatalf("it was %+v and is %+v", before, after)
					}
					if victim == "leader" && (after.node != to.name || after.fence == before.fence) {
						t.Errorf("a new leader left it at %+v, it was %+v", after, before)
					}
				})
			}
		}
	}
}

// die kills one of a handoff's three, and returns what brings it back.
func (s *scenario) die(victim string, from, to *process) (back func()) {
	switch victim {
	case "owner":
		from.kill()
		return from.restart
	case "target":
		to.kill()
		return to.restart
	}
	leader := s.check.leader()
	if leader == nil {
		s.t.Fatal("nobody leads")
	}
	leader.kill()
	return leader.restart
}

// dieFor kills one process, members first, for a while; one that is dead stays so.
func (s *scenario) dieFor(i int, down time.Duration) {
	var n *node
	var kill, restart func()
	if i < len(s.members) {
		p := s.members[i]
		n, kill, restart = &p.node, p.kill, p.restart
	} else {
		x := s.servers[i-len(s.members)]
		n, kill, restart = &x.node, x.kill, x.restart
	}
	if !n.alive {
		return
	}
	kill()
	s.after(down, func() {
		if !n.alive {
			restart()
		}
	})
}

// TestTargetNotPrepared: the target does not prepare by the deadline: the move
// fails, the owner was never asked, and is left alone.
func TestTargetNotPrepared(t *testing.T) {
	s := settled(t, 8, 1, 3, 12)
	id, from, to := s.handoffOf()
	before, at := s.check.owners[demo(id)], s.position()
	to.cold = true
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
	s.passes(shard.MoveDeadline - time.Second)
	if n := s.since(at); n["ShardMoveStarted"] != 1 || n["ShardMoveFailed"] != 0 || from.owning[demo(id)] == 0 {
		t.Errorf("before the deadline: %v", n)
	}
	s.passes(5 * time.Second)
	n := s.since(at)
	if n["ShardMoveFailed"] != 1 || n["ShardMoveReleasing"]+n["ShardsReleased"]+n["ShardsHandedOver"] != 0 {
		t.Errorf("after the deadline: %v", n)
	}
	if after := s.check.owners[demo(id)]; after != before || from.running[demo(id)] != int64(before.fence) {
		t.Errorf("it was %+v and is %+v", before, after)
	}
	if len(to.preps) != 0 {
		s.passes(time.Second)
		if len(to.preps) != 0 {
			t.Errorf("%s still prepares %v", to.name, to.preps)
		}
	}
}

// TestCancelWhilePreparing: the owner never heard of it.
func TestCancelWhilePreparing(t *testing.T) {
	s := settled(t, 9, 1, 3, 12)
	id, from, to := s.handoffOf()
	before, at := s.check.owners[demo(id)], s.position()
	to.cold = true
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
	s.passes(time.Second)
	s.submit(shard.CancelMoves{Namespace: "demo", Shards: []uint32{id}})
	s.passes(time.Second)
	if n := s.since(at); n["ShardMoveCancelled"] != 1 || n["ShardMoveReleasing"]+n["ShardsReleased"] != 0 {
		t.Errorf("events %v", n)
	}
	if s.check.owners[demo(id)] != before || from.owning[demo(id)] != int64(before.fence) || len(to.preps) != 0 {
		t.Errorf("it is %+v, was %+v; %s prepares %v", s.check.owners[demo(id)], before, to.name, to.preps)
	}
}

// TestPreparedTargetIsCordoned: what it prepared does not keep the move from being
// given up at once.
func TestPreparedTargetIsCordoned(t *testing.T) {
	s := settled(t, 11, 1, 3, 12)
	id, _, to := s.handoffOf()
	before, at := s.check.owners[demo(id)], s.position()
	to.cold = true
	s.submit(shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name})
	s.passes(time.Second)
	s.submit(membership.Cordon{NodeID: to.name})
	to.prepared(demo(id), to.preps[demo(id)], true)
	s.passes(time.Second)
	if n := s.since(at); n["ShardMoveCancelled"] != 1 || n["ShardMoveReleasing"] != 0 || s.check.owners[demo(id)] != before {
		t.Errorf("events %v; it was %+v and is %+v", n, before, s.check.owners[demo(id)])
	}
}

// TestFactsOfAMove: three facts for each moved range, however many shards it has,
// when nothing goes wrong.
func TestFactsOfAMove(t *testing.T) {
	s := settled(t, 10, 3, 2, 64)
	from := s.owner()
	to := s.members[0]
	if to == from {
		to = s.members[1]
	}
	s.submit(membership.Cordon{NodeID: from.name}) // so that nothing is balanced back
	s.passes(time.Second)
	ids, at := s.shardsOf(from.name), s.position()
	for _, p := range s.members {
		p.batches = true // so that all are reported together
	}
	s.submit(shard.Move{Namespace: "demo", Shards: ids, To: to.name})
	s.passes(3 * time.Second)
	n := s.since(at)
	if n["ShardMoveStarted"] != 1 || n["ShardMoveReleasing"] != 1 || n["ShardsHandedOver"] != 1 || n["ShardsReleased"]+n["ShardsAssigned"] != 0 {
		t.Errorf("%d shards moved by %v", len(ids), n)
	}
	if left := s.shardsOf(from.name); len(left) != 0 {
		t.Errorf("%s still owns %v", from.name, left)
	}
}

// TestHandoffsUnderFaults: several moves at once while processes die and come back
// at any moment and messages are late: the checker looks at each step, and the mesh
// comes to rest.
func TestHandoffsUnderFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := settled(t, rapid.Uint64Range(1, 1<<20).Draw(rt, "seed"), rapid.SampledFrom([]int{1, 3}).Draw(rt, "servers"), 4, 12)
		slow := time.Duration(rapid.IntRange(0, 400).Draw(rt, "late ms")) * time.Millisecond
		s.link = func() (time.Duration, bool) { return s.between(0, slow+time.Millisecond), s.chance(0.02) }
		for range rapid.IntRange(1, 6).Draw(rt, "moves") {
			to := s.members[rapid.IntRange(0, 3).Draw(rt, "to")]
			id := uint32(rapid.IntRange(0, 11).Draw(rt, "shard"))
			if leader := s.check.leader(); leader != nil && s.check.sessions[to.name] != 0 && s.check.owners[demo(id)].node != to.name {
				move := shard.Move{Namespace: "demo", Shards: []uint32{id}, To: to.name}
				leader.submit(commands.Request{Actor: "user/a", Command: move}, func(sequencer.Answer) {}) // a rule may refuse it
			}
			s.passes(time.Duration(rapid.IntRange(0, 300).Draw(rt, "then ms")) * time.Millisecond)
			if rapid.Bool().Draw(rt, "a death") {
				s.dieFor(rapid.IntRange(0, 4+len(s.servers)-1).Draw(rt, "who"), time.Duration(rapid.IntRange(1, 5000).Draw(rt, "down ms"))*time.Millisecond)
			}
		}
		s.passes(6 * time.Second)
		s.link = nil
		s.rests(40 * time.Second)
	})
}
