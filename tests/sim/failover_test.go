package sim

import (
	"maps"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// alone are the ways between a server and the other servers: what it says, and
// what it hears.
func (s *scenario) alone(x *server) (out, in []way) {
	for _, o := range s.servers {
		if o != x {
			out, in = append(out, way{x.name, o.name}), append(in, way{o.name, x.name})
		}
	}
	return out, in
}

// standby is a server that does not lead.
func (s *scenario) standby() *server {
	for _, x := range s.servers {
		if !x.core.Leading() {
			return x
		}
	}
	s.t.Fatal("all servers lead")
	return nil
}

// TestIsolatedLeader: a leader that the other servers do not hear, or that does
// not hear them, answers no heartbeat after its authority, though members reach
// it. Another leads in time, and nobody's session or shard is touched (L7).
func TestIsolatedLeader(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		s := settled(t, seed, 3+2*int(seed%2), 6, 24)
		before, at := s.owners(), s.position()
		old := s.check.leader()
		out, in := s.alone(old)
		s.cutOf(10*time.Second, [][]way{append(out, in...), out, in}[seed%3]...)
		s.passes(failoverBound)
		if x := s.check.leader(); x == nil || x == old {
			t.Errorf("seed %d: the old leader is %s, the new one %v", seed, old.name, x)
		}
		s.rests(10 * time.Second)
		s.noShardEvents(at, "while a leader was alone")
		if !maps.Equal(before, s.owners()) {
			t.Error("L7: ownership changed")
		}
	}
}

// TestIsolatedStandby: one that does not hear the others, or is not heard, deposes
// nobody, now or when the network is well again.
func TestIsolatedStandby(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		s := settled(t, seed, 3, 4, 12)
		at, leader := s.position(), s.check.leader()
		out, in := s.alone(s.standby())
		s.cutOf(5*time.Second, [][]way{append(out, in...), out, in}[seed%3]...)
		s.rests(15 * time.Second)
		if n := s.since(at)["LeadershipExpired"]; n != 0 || s.check.leader() != leader {
			t.Errorf("seed %d: %d changes of the control leader", seed, n)
		}
		s.noShardEvents(at, "while a standby was alone")
	}
}

// TestScopeOverFailover is L5: the holder of a scope and the control leader die
// together, and another candidate leads within twice TTL + 1 s.
func TestScopeOverFailover(t *testing.T) {
	var worst time.Duration
	for seed := uint64(1); seed <= 20; seed++ {
		s := settled(t, seed, 3, 5, 10)
		s.passes(20 * time.Second) // all have campaigned by now
		holder := s.check.holders["jobs/a"]
		for _, p := range s.members {
			if uint64(p.core.Session()) == holder.session {
				p.kill()
			}
		}
		s.check.leader().kill()
		died := s.now
		for s.check.holders["jobs/a"] == holder || s.check.holders["jobs/a"].term == 0 {
			s.passes(10 * time.Millisecond)
			if time.Duration(s.now-died) > 2*(ttl+time.Second) {
				t.Fatalf("L5: seed %d: nobody leads %s after holder and control leader died", seed, time.Duration(s.now-died))
			}
		}
		worst = max(worst, time.Duration(s.now-died))
	}
	t.Logf("worst %s with a TTL of %s", worst, ttl)
}

// TestLateCloseOfFormerLeader: a leader finds a session silent, and its controller
// stands still before it asks for the close. Meanwhile another leads and answers
// the session, and then the first one leads again: what it found under its former
// grant closes nothing.
func TestLateCloseOfFormerLeader(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		s := settled(t, seed, 3, 4, 12)
		at, old, victim := s.position(), s.check.leader(), s.members[int(seed)%4]
		asked, late := false, 6*time.Second
		s.stands = func(r commands.Request) (time.Duration, bool) {
			if _, ok := r.Command.(membership.CloseSession); !ok || asked {
				return 0, false
			}
			asked = true
			return late, false
		}
		s.cutOff(victim)
		for !asked {
			s.passes(10 * time.Millisecond)
		}
		s.join()
		s.standby().campaign()
		s.passes(2 * time.Second)
		if old.core.Leading() || !victim.holdsLease(uint64(victim.core.Session())) {
			t.Fatalf("seed %d: the old leader leads: %t; %s is not answered by the new one", seed, old.core.Leading(), victim.name)
		}
		old.campaign()
		s.passes(late)
		if s.check.leader() != old {
			t.Fatalf("seed %d: the old leader does not lead again: this tests nothing", seed)
		}
		s.rests(5 * time.Second)
		s.noShardEvents(at, "after a late close of a former leader")
	}
}

// TestRetiring: a leader that is asked to stop hands over: the next one leads
// before anybody could miss it, and nothing else changes.
func TestRetiring(t *testing.T) {
	var worst time.Duration
	for seed := uint64(1); seed <= 20; seed++ {
		s := settled(t, seed, 3, 4, 12)
		before, at, old := s.owners(), s.position(), s.check.leader()
		asked, term := s.now, s.check.terms[events.GlobalScope]
		old.retire(func() { old.restart() })
		for s.check.terms[events.GlobalScope] == term {
			s.passes(5 * time.Millisecond)
		}
		worst = max(worst, time.Duration(s.now-asked))
		s.rests(5 * time.Second)
		s.noShardEvents(at, "after a handover")
		if !maps.Equal(before, s.owners()) {
			t.Error("L7: ownership changed")
		}
	}
	if worst > sequencer.AuthorityFor/2 {
		t.Errorf("the handover took up to %s", worst)
	}
	t.Logf("worst %s", worst)
}

// TestLastLeaderStartsAgain: the leader is started again at once. It leads again,
// or another does, with a new grant; no timer of the time before goes on.
func TestLastLeaderStartsAgain(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := settled(t, seed, 3, 6, 24)
		before, at, old := s.owners(), s.position(), s.check.leader()
		old.kill()
		s.passes(time.Duration(seed) * 10 * time.Millisecond)
		old.restart()
		s.passes(failoverBound)
		s.check.leads()
		s.rests(5 * time.Second)
		s.noShardEvents(at, "after the leader was started again")
		if n := s.since(at)["LeadershipGranted"]; n == 0 || !maps.Equal(before, s.owners()) {
			t.Errorf("L7: %d grants; ownership was %v and is %v", n, before, s.owners())
		}
	}
}
