package sim

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/schedule"
)

// cordonLater is a schedule that cordons a member after a while.
func (s *scenario) cordonLater(after time.Duration) {
	s.t.Helper()
	s.submit(schedule.Create{Name: "later", Timing: schedule.Timing{After: after}, Action: schedule.Action{Verb: schedule.Cordon, NodeID: "n1"}})
}

// TestScheduleOverFailover: the leader is killed before the due, or at it, and the
// successor runs it, once; the old leader, back, runs nothing again.
func TestScheduleOverFailover(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := settled(t, seed, 3, 3, 6)
		due := 2 * time.Second
		s.cordonLater(due)
		s.passes(due - time.Duration(seed%10)*100*time.Millisecond)
		old := s.check.leader()
		old.kill()
		at := s.position()
		s.passes(failoverBound + overdue)
		old.restart()
		s.rests(10 * time.Second)
		counts := s.since(0)
		if counts["ScheduleFired"] != 1 || counts["NodeCordoned"] != 1 || counts["ScheduleCreated"] != 1 {
			t.Errorf("seed %d: %v, killed at %d", seed, counts, at)
		}
		if n, _ := s.check.replica.Membership.Node("n1"); n.Lifecycle != membership.Cordoned {
			t.Errorf("seed %d: n1 is not cordoned", seed)
		}
	}
}

// TestScheduleByIsolatedLeader: a leader that nobody hears any more runs nothing;
// the one that follows it does, once.
func TestScheduleByIsolatedLeader(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		s := settled(t, seed, 3, 3, 6)
		s.cordonLater(time.Second)
		s.passes(500 * time.Millisecond)
		out, in := s.alone(s.check.leader())
		s.cutOf(10*time.Second, append(out, in...)...)
		s.rests(20 * time.Second)
		if n := s.since(0)["ScheduleFired"]; n != 1 {
			t.Errorf("seed %d: fired %d times", seed, n)
		}
	}
}

// TestPoisonShard: owners that die one after the other, of one shard that they all
// had, leave it quarantined and the rest served; released, it is owned again.
func TestPoisonShard(t *testing.T) {
	for seed := uint64(1); seed <= 8; seed++ {
		s := settled(t, seed, 1, 4, 8)
		victims := map[string]bool{}
		for range 2 { // whoever owns shard 0 dies
			owner := s.owners()[demo(0)].node
			for _, p := range s.members {
				if p.name == owner {
					p.kill()
				}
			}
			victims[owner] = true
			s.passes(3 * ttl)
		}
		sh := func() bool {
			ns, _ := s.check.replica.Shard.Namespace("demo")
			return ns.Shard(0).Quarantined()
		}
		if !sh() || len(victims) != 2 {
			t.Fatalf("seed %d: shard 0 is not quarantined after the deaths of %v", seed, victims)
		}
		if n := len(s.owners()); n < 5 {
			t.Errorf("seed %d: %d of 8 shards are owned", seed, n)
		}
		s.rests(ttl)
		s.submit(schedule.Create{Name: "back", Timing: schedule.Timing{After: time.Second}, Action: schedule.Action{
			Verb: schedule.Unquarantine, Namespace: "demo", Shards: []uint32{0},
		}})
		s.rests(5 * time.Second)
		if sh() || s.owners()[demo(0)].node == "" {
			t.Errorf("seed %d: shard 0 is not back", seed)
		}
	}
}

// TestKillsOfAllQuarantineNothing: members that die all at once, again and again,
// have not died of their shards: each death has more of them than the rule takes
// out of service at once.
func TestKillsOfAllQuarantineNothing(t *testing.T) {
	s := settled(t, 1, 1, 3, 24)
	for range 4 {
		for _, p := range s.members {
			p.kill()
		}
		s.passes(6 * ttl)
		for _, p := range s.members {
			p.restart()
		}
		s.rests(8 * ttl)
	}
	if n := s.since(0)["ShardsQuarantined"]; n != 0 || policy.DefaultQuarantine().MaxAtOnce >= 8 {
		t.Errorf("%d quarantines", n)
	}
}
