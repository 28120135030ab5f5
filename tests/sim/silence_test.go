package sim

import (
	"maps"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
)

// TestFailoverMovesNothing is L7: a control leader dies, another takes over, and
// no shard or session event follows.
func TestFailoverMovesNothing(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := settled(t, seed, 3, 5, 40)
		before, at := s.owners(), s.position()
		s.check.leader().kill()
		s.rests(10 * time.Second)
		s.noShardEvents(at, "after a failover")
		if !maps.Equal(before, s.owners()) {
			t.Error("L7: ownership changed")
		}
		if s.since(at)["LeadershipGranted"] == 0 {
			t.Error("nobody took over")
		}
	}
}

// TestSilenceOfServers: with every server down, owners stop when their lease
// ends. Answered again, the same sessions own the same shards with the same
// fences, without an event.
func TestSilenceOfServers(t *testing.T) {
	for _, down := range []time.Duration{ttl / 4, 2 * ttl, 20 * ttl} {
		t.Run(down.String(), func(t *testing.T) {
			s := settled(t, 7, 1, 4, 16)
			before, at := s.owners(), s.position()
			lapsed := down > ttl
			resumed := 0
			s.started = func(*process, member.Ref, int64) { resumed++ }
			for _, x := range s.servers {
				x.kill()
			}
			s.passes(down)
			for _, p := range s.members {
				if owns := p.clock().Boot < p.core.LeaseUntil(); owns == lapsed {
					t.Errorf("%s has a lease: %t", p.name, owns)
				}
			}
			for _, x := range s.servers {
				x.restart()
				x.campaign() // there is nobody to wait for
			}
			s.rests(10 * time.Second)
			s.noShardEvents(at, "after a silence of the servers")
			if !maps.Equal(before, s.owners()) {
				t.Error("ownership changed")
			}
			if lapsed && resumed != 16 {
				t.Errorf("%d of 16 callbacks were started again", resumed)
			}
			if !lapsed && resumed != 0 {
				t.Errorf("%d callbacks were started again although the leases lived", resumed)
			}
		})
	}
}

// TestPauseOfServers: the same when the servers stand still and go on, in a mesh
// that is too small for the brake too.
func TestPauseOfServers(t *testing.T) {
	for _, pause := range []time.Duration{ttl / 2, ttl, 3 * ttl, 10 * ttl} {
		s := settled(t, 8, 1, 3+int(pause/ttl)%4, 18)
		before, at := s.owners(), s.position()
		s.servers[0].pause()
		s.passes(pause)
		s.servers[0].resume()
		s.rests(10 * time.Second)
		s.noShardEvents(at, "after a pause of "+pause.String())
		if !maps.Equal(before, s.owners()) {
			t.Error("ownership changed")
		}
	}
}

// TestBrake: six nodes fall silent at once while the leader is well. For three
// TTL nobody is declared dead; who is heard meanwhile keeps everything.
func TestBrake(t *testing.T) {
	s := settled(t, 9, 1, 6, 18)
	before, at := s.owners(), s.position()
	s.cutOff(s.members...)
	s.passes(3 * ttl)
	s.noShardEvents(at, "while the brake holds")
	s.join()
	s.rests(10 * time.Second)
	s.noShardEvents(at, "after the brake held")
	if !maps.Equal(before, s.owners()) {
		t.Error("ownership changed")
	}
}

// TestBrakeEnds: those that are still silent after three TTL are dead, also when
// they are two thirds; the others get their shards.
func TestBrakeEnds(t *testing.T) {
	s := settled(t, 10, 1, 6, 18)
	at := s.position()
	s.cutOff(s.members[:4]...)
	s.passes(3 * ttl)
	if n := s.since(at)["SessionClosed"]; n != 0 {
		t.Errorf("%d sessions closed while the brake holds", n)
	}
	s.passes(3 * ttl)
	if n := s.since(at)["SessionClosed"]; n != 4 {
		t.Errorf("%d sessions closed, want the 4 silent ones", n)
	}
	owned := s.owned()
	if owned["n5"] != 9 || owned["n6"] != 9 {
		t.Errorf("the living own %v", owned)
	}
}

// TestNoBrakeForFew: half of the sessions, or a mesh of four, is no storm.
func TestNoBrakeForFew(t *testing.T) {
	for _, c := range []struct{ members, die int }{{6, 3}, {4, 4}, {4, 3}} {
		s := settled(t, 11, 1, c.members, 12)
		at := s.position()
		s.cutOff(s.members[:c.die]...)
		s.passes(ttl + ttl/2)
		if n := s.since(at)["SessionClosed"]; n != c.die {
			t.Errorf("%d of %d silent sessions closed within TTL and a half", n, c.die)
		}
	}
}

// TestLostClose: a close whose outcome is open is asked for again until the log
// tells what became of it.
func TestLostClose(t *testing.T) {
	s := settled(t, 12, 3, 4, 12)
	at, lost := s.position(), 0
	s.stands = func(r commands.Request) (time.Duration, bool) {
		if _, ok := r.Command.(membership.CloseSession); !ok || lost == 3 {
			return 0, false
		}
		lost++
		return 0, true
	}
	s.cutOff(s.members[0])
	s.passes(2 * ttl)
	if n := s.since(at)["SessionClosed"]; n != 1 || lost != 3 {
		t.Errorf("%d sessions closed after %d lost closes, want 1 after 3", n, lost)
	}
}

// cutOff takes processes off the network.
func (s *scenario) cutOff(ps ...*process) {
	for _, p := range ps {
		p.cut = true
	}
}

// join ends what cutOff began.
func (s *scenario) join() {
	for _, p := range s.members {
		p.cut = false
	}
}
