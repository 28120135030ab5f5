package sim

import (
	"testing"
	"time"
)

// These are about the one thing that must not fail: a lease ends before its
// session is declared expired. The checker looks at each expiry (see
// checker.sessionClosed) and at each start (S1).

// TestLeaseWithSlowAnswers: a lease is counted from the sending of the heartbeat
// that was answered. Each message takes 0.4 TTL here, so that counting from the
// receipt of the answer would give a lease that outlives its session.
func TestLeaseWithSlowAnswers(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		s := settled(t, seed, 1, 4, 12)
		s.link = func() (time.Duration, bool) { return ttl * 2 / 5, false }
		s.passes(3 * ttl)
		at := s.position()
		s.cutOff(s.members[int(seed)%4])
		s.passes(4 * ttl)
		if s.since(at)["SessionClosed"] == 0 {
			t.Error("the session did not expire: this tests nothing")
		}
	}
}

// TestLeaseWithClocksThatDrift: the node's clock is 5 % slow and the server's 5 %
// fast, which is within the margin.
func TestLeaseWithClocksThatDrift(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		s := settled(t, seed, 1, 4, 12)
		s.link = func() (time.Duration, bool) { return 100 * time.Microsecond, false }
		s.drift(&s.servers[0].node, +50)
		for _, p := range s.members {
			s.drift(&p.node, -50)
		}
		s.passes(2 * ttl)
		at := s.position()
		s.cutOff(s.members[int(seed)%4])
		s.passes(3 * ttl)
		if s.since(at)["SessionClosed"] == 0 {
			t.Error("the session did not expire: this tests nothing")
		}
	}
}

// drift makes a clock run fast by parts per thousand from now on, without a
// jump.
func (s *scenario) drift(n *node, perMille int64) {
	before := n.clock().Boot
	n.rate = perMille
	n.boot0 += before - n.clock().Boot
}

// TestLeaseOverFailover: the old leader answers a node up to its end; the new one
// has never heard it, and still waits until that lease has ended.
func TestLeaseOverFailover(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		s := settled(t, seed, 2, 4, 12)
		old := s.check.leader()
		other := s.servers[0]
		if other == old {
			other = s.servers[1]
		}
		// The other takes the register and leads while the old one has authority for
		// up to a second more, and goes on answering those that know it.
		victim := s.members[int(seed)%4]
		s.passes(time.Duration(seed) * 23 * time.Millisecond)
		other.campaign()
		at := s.position()
		s.after(950*time.Millisecond, func() { s.cutOff(victim) })
		s.passes(4 * ttl)
		if s.since(at)["SessionClosed"] == 0 {
			t.Error("the session did not expire: this tests nothing")
		}
		if s.since(at)["LeadershipGranted"] == 0 {
			t.Error("the other did not lead: this tests nothing")
		}
	}
}

// TestLeaseOverOverlap: a node is answered by the new leader, and later once more
// by the old one, whose authority has not ended. The new leader's timer, which it
// started when it gained authority, stands for that too.
func TestLeaseOverOverlap(t *testing.T) {
	overlaps := 0
	for seed := uint64(1); seed <= 60; seed++ {
		s := settled(t, seed, 2, 4, 12)
		old := s.check.leader()
		other := 0
		if s.servers[0] == old {
			other = 1
		}
		victim := s.members[int(seed)%4]
		old.deaf = true // it does not hear that it was deposed
		s.servers[other].campaign()
		s.passes(80 * time.Millisecond)
		if !s.servers[other].authority() || !old.authority() {
			continue // it was about to renew: there is no overlap now
		}
		overlaps++
		at := s.position()
		victim.at = other
		s.answered = func(node string) {
			if node == victim.name {
				victim.at = 1 - other
			}
		}
		for old.authority() {
			s.passes(5 * time.Millisecond)
		}
		s.cutOff(victim)
		s.passes(4 * ttl)
		if s.since(at)["SessionClosed"] == 0 {
			t.Error("the session did not expire: this tests nothing")
		}
	}
	if overlaps < 10 {
		t.Errorf("%d overlaps: this tests too little", overlaps)
	}
}
