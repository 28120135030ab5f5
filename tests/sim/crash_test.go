package sim

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
)

// TestCrashIsRepairedInTime is S2: every shard of a killed node runs on another
// within TTL + 1 s after its last answered heartbeat, seen on the nodes' own
// traces.
func TestCrashIsRepairedInTime(t *testing.T) {
	var worst time.Duration
	for seed := uint64(1); seed <= 60; seed++ {
		s := settled(t, seed, 1+int(seed%3), 2+int(seed%4), 24)
		victim := s.owner()
		var heard int64
		s.answered = func(node string) {
			if node == victim.name {
				heard = s.now
			}
		}
		s.passes(time.Duration(seed) * 17 * time.Millisecond) // at any time between two heartbeats
		s.passes(ttl / 2)
		lost := s.shardsOf(victim.name)
		missing := map[uint32]bool{}
		for _, id := range lost {
			missing[id] = true
		}
		s.started = func(_ *process, ref member.Ref, _ int64) {
			if delete(missing, ref.Shard); len(missing) == 0 {
				worst = max(worst, time.Duration(s.now-heard))
				s.started = nil
			}
		}
		victim.kill()
		s.passes(2*ttl + 2*time.Second)
		if len(missing) > 0 {
			t.Fatalf("seed %d: %d of %d shards have no owner", seed, len(missing), len(lost))
		}
	}
	if worst > ttl+time.Second {
		t.Errorf("S2: the last shard ran %s after the last answered heartbeat, at most %s is allowed", worst, ttl+time.Second)
	}
	t.Logf("worst %s with a TTL of %s", worst, ttl)
}

// TestCrashMovesOnlyItsShards is S5: exactly the dead node's shards move, evenly,
// and the node that returns gets at most ⌊K/(N+1)⌋, from the others.
func TestCrashMovesOnlyItsShards(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		members, shards := 3+int(seed%4), 20+uint32(seed)
		s := settled(t, seed, 1, members, shards)
		victim, before := s.owner(), s.owners()
		victim.kill()
		s.passes(2*ttl + time.Second)
		for ref, o := range s.owners() {
			if old := before[ref]; old.node != victim.name && old != o {
				t.Errorf("S5: shard %d of %s with fence %d is of %s with fence %d", ref.Shard, old.node, old.fence, o.node, o.fence)
			}
			if o.node == victim.name {
				t.Errorf("shard %d is the dead node's", ref.Shard)
			}
		}
		survivors := s.owners()
		victim.restart()
		s.rests(5 * time.Second)
		moved := 0
		for ref, o := range s.owners() {
			if o == survivors[ref] {
				continue
			}
			if moved++; o.node != victim.name {
				t.Errorf("S5: shard %d went from %s to %s when %s joined", ref.Shard, survivors[ref].node, o.node, victim.name)
			}
		}
		if limit := int(shards) / members; moved == 0 || moved > limit {
			t.Errorf("S5: %d shards moved to the node that joined, 1 to %d are allowed", moved, limit)
		}
	}
}

// TestQuickRestartKeepsItsShards: a process that is back before its lease ended
// gets the same shards, with new fences, and nothing else moves.
func TestQuickRestartKeepsItsShards(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := settled(t, seed, 1, 4, 30)
		victim, before := s.owner(), s.owners()
		victim.kill()
		s.passes(200 * time.Millisecond)
		victim.restart()
		s.rests(5 * time.Second)
		for ref, o := range s.owners() {
			switch old := before[ref]; {
			case o.node != old.node:
				t.Errorf("seed %d: shard %d went from %s to %s", seed, ref.Shard, old.node, o.node)
			case o.node == victim.name && o.fence <= old.fence:
				t.Errorf("seed %d: shard %d has fence %d after %d", seed, ref.Shard, o.fence, old.fence)
			case o.node != victim.name && o != old:
				t.Errorf("seed %d: shard %d of %s got a new fence", seed, ref.Shard, o.node)
			}
		}
	}
}

// TestCrashOfAll: with nobody to take them, shards wait for whoever comes first.
func TestCrashOfAll(t *testing.T) {
	s := settled(t, 1, 1, 3, 12)
	for _, p := range s.members {
		p.kill()
	}
	s.passes(2*ttl + time.Second)
	if n := len(s.check.owners); n != 0 {
		t.Errorf("%d shards are owned by dead nodes", n)
	}
	s.members[0].restart()
	s.passes(2 * time.Second)
	if n := s.owned()["n1"]; n != 12 {
		t.Errorf("n1 owns %d of 12 shards", n)
	}
}
