package sim

import (
	"maps"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// longRide is the ownershipTTL of these scenarios.
const longRide = 10 * ttl

// modal is a mesh at rest with namespaces of every mode, three shards each.
func modal(t *testing.T, seed uint64, servers, members int) *scenario {
	t.Helper()
	return rested(t, seed, Config{Servers: servers, Members: members, Shards: 8, TTL: ttl, Modes: 6, Ride: longRide})
}

// acting counts the shards of a namespace that a member may act on now, and how many
// of those are stale.
func acting(p *process, namespace string) (may, stale int) {
	for ref := range p.owning {
		if ref.Namespace == namespace && p.clock().Boot < p.core.Until(ref) {
			may++
			if p.core.Stale(ref, p.clock().Boot) {
				stale++
			}
		}
	}
	return may, stale
}

// of are the shards of a namespace that a node owns, by the log.
func (s *scenario) of(namespace, node string) map[member.Ref]ownership {
	return maps.Collect(func(yield func(member.Ref, ownership) bool) {
		for ref, o := range s.check.owners {
			if ref.Namespace == namespace && o.node == node && !yield(ref, o) {
				return
			}
		}
	})
}

// wants that a member may act on so many shards of each namespace, all of them, or
// none, stale where that is so.
func (s *scenario) acts(p *process, when string, want map[string]string) {
	s.t.Helper()
	for name, how := range want {
		may, stale := acting(p, name)
		got := map[[2]bool]string{{false, false}: "stopped", {true, false}: "owns", {true, true}: "stale"}[[2]bool{may > 0, stale > 0}]
		if got != how {
			s.t.Errorf("%s: %s in %s: %s (%d shards, %d stale), want %s", when, p.name, name, got, may, stale, how)
		}
	}
}

// victim is a member that owns shards of every namespace.
func (s *scenario) victim() *process {
	s.t.Helper()
	for _, p := range s.members {
		has := 0
		for _, name := range []string{"demo", rideSpace, fencedSpace, briefSpace, stickySpace} {
			if len(s.of(name, p.name)) > 0 {
				has++
			}
		}
		if has == 5 {
			return p
		}
	}
	s.t.Fatal("nobody owns shards of every namespace")
	return nil
}

// TestSilenceOfServersByMode is V1: with every server down, each mode goes on as it
// says; and when they are back in time, nothing happened.
func TestSilenceOfServersByMode(t *testing.T) {
	for _, down := range []time.Duration{3 * ttl, 2 * longRide} {
		s := modal(t, 7, 1, 3)
		p := s.victim()
		before, at := s.owners(), s.position()
		for _, x := range s.servers {
			x.kill()
		}
		s.passes(2 * ttl)
		s.acts(p, "the lease has ended", map[string]string{
			"demo": "stopped", rideSpace: "owns", fencedSpace: "owns", briefSpace: "stale", stickySpace: "stale"})
		s.passes(down - 2*ttl)
		if down > longRide {
			s.acts(p, "all has ended that ends", map[string]string{
				"demo": "stopped", rideSpace: "stopped", fencedSpace: "stale", briefSpace: "stale", stickySpace: "stale"})
		}
		for _, x := range s.servers {
			x.restart()
			x.campaign()
		}
		s.rests(10 * time.Second)
		s.noShardEvents(at, "after a silence of the servers")
		if !maps.Equal(before, s.owners()) {
			t.Error("ownership changed")
		}
		s.acts(p, "answered again", map[string]string{"demo": "owns", rideSpace: "owns", fencedSpace: "owns", briefSpace: "owns", stickySpace: "owns"})
	}
}

// TestRideThrough: a member is cut off for longer than its session and shorter than
// the ownershipTTL. What rides through, and what is sticky, is its own all the time,
// and bound to its next session with a new fence; the rest went to others.
func TestRideThrough(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		s := modal(t, seed, 3, 3)
		p := s.victim()
		kept := map[member.Ref]ownership{}
		for _, name := range []string{rideSpace, fencedSpace, stickySpace} {
			maps.Copy(kept, s.of(name, p.name))
		}
		p.cut = true
		s.passes(longRide / 2)
		if n := len(s.of("demo", p.name)) + len(s.of(briefSpace, p.name)); n != 0 {
			t.Errorf("%d shards of a closed session wait for nothing", n)
		}
		s.acts(p, "cut off", map[string]string{"demo": "stopped", rideSpace: "owns", fencedSpace: "owns", briefSpace: "stale", stickySpace: "stale"})
		p.cut = false
		s.passes(4 * time.Second)
		for ref, was := range kept {
			if now := s.check.owners[ref]; now.node != p.name || now.fence <= was.fence || now.session <= was.session {
				t.Errorf("%v was owned as %+v, is as %+v", ref, was, now)
			}
		}
		s.rests(5 * time.Second)
	}
}

// TestCutOffForGood: what rides through and what is fenced goes to others when its
// time is over, on the log not before it is over on the node (the checker looks), also
// when the leader changes in the middle; what is sticky stays.
func TestCutOffForGood(t *testing.T) {
	for _, failover := range []bool{false, true} {
		for seed := uint64(1); seed <= 5; seed++ {
			s := modal(t, seed, 3, 4)
			p := s.victim()
			sticky := s.of(stickySpace, p.name)
			p.cut = true
			s.passes(longRide - 2*ttl)
			ends := 4 * ttl
			if failover {
				s.check.leader().kill()
				s.passes(longRide - ttl)
				if len(s.of(rideSpace, p.name)) == 0 || len(s.of(fencedSpace, p.name)) == 0 {
					t.Error("a leader ends what it knows nothing of before its time")
				}
				ends = 4*ttl + sessions.Grace
			}
			s.passes(ends)
			for _, name := range []string{"demo", rideSpace, fencedSpace, briefSpace} {
				if n := len(s.of(name, p.name)); n != 0 {
					t.Errorf("failover %t: %d shards of %s are still those of %s", failover, n, name, p.name)
				}
			}
			s.passes(2 * time.Minute)
			if !maps.EqualFunc(sticky, s.of(stickySpace, p.name), func(a, b ownership) bool { return a.session == b.session && a.fence == b.fence }) {
				t.Errorf("silence took from %s what is sticky", p.name)
			}
			s.acts(p, "for good", map[string]string{"demo": "stopped", rideSpace: "stopped", fencedSpace: "stale", briefSpace: "stale", stickySpace: "stale"})
			p.cut = false
			s.rests(10 * time.Second)
			if s.did["writes refused by their fence"] == 0 {
				t.Error("no resource refused a stale owner: this shows nothing")
			}
		}
	}
}

// TestForcedMoveByMode: owners whose callback does not return, live or cut off. The
// shard goes where it was sent, at once where that is an operator's to say, and in a
// lease only when nobody may act on it (S1, by the checker). What nobody asked for
// stays, where silence would leave it.
func TestForcedMoveByMode(t *testing.T) {
	for _, cut := range []bool{false, true} {
		for name, within := range map[string]time.Duration{"demo": 2 * ttl, rideSpace: longRide + 2*ttl, fencedSpace: 2 * ttl, briefSpace: 2 * ttl, stickySpace: 2 * ttl} {
			s := modal(t, 11, 1, 4)
			p := s.victim()
			to := s.members[0]
			if to == p {
				to = s.members[1]
			}
			ids := s.of(name, p.name)
			var ref member.Ref
			for r := range ids {
				ref = r
			}
			p.stuck, p.cut = true, cut
			if cut {
				s.passes(2 * ttl)
			}
			if s.check.owners[ref].node == p.name {
				s.submit(shard.Move{Namespace: name, Shards: []uint32{ref.Shard}, To: to.name, Force: true})
			}
			s.passes(within + time.Second)
			if got := s.check.owners[ref]; got.node != to.name && (name != "demo" && name != briefSpace || !cut) {
				t.Errorf("%s, cut off %t: the shard is %+v, want it on %s", name, cut, got, to.name)
			}
			if name == stickySpace {
				for other := range ids {
					if other != ref && s.check.owners[other].node != p.name {
						t.Errorf("sticky, cut off %t: %v went to %s, and nobody asked", cut, other, s.check.owners[other].node)
					}
				}
			}
		}
	}
}

// TestNodeIDElsewhere: while a member is cut off, and rides through, another process
// with its node id, on another disk, opens a session. It gets nothing that the first may
// act on (S1, by the checker), and in the end what the first lost by its time.
func TestNodeIDElsewhere(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		s := modal(t, seed, 3, 3)
		p := s.victim()
		kept := map[member.Ref]ownership{}
		for _, name := range []string{rideSpace, stickySpace} {
			maps.Copy(kept, s.of(name, p.name))
		}
		p.cut = true
		s.passes(2 * ttl)
		twin := newProcess(s.World, p.name)
		twin.secret = events.HashOf([]byte("other disk"))
		s.members = append(s.members, twin)
		s.passes(longRide / 2)
		if twin.core.Session() == 0 {
			t.Fatal("it has no session")
		}
		for ref, was := range kept {
			if now := s.check.owners[ref]; now.session != was.session || now.fence != was.fence {
				t.Errorf("%v was owned as %+v, is as %+v", ref, was, now)
			}
		}
		s.passes(longRide)
		if n, _ := acting(twin, rideSpace); n == 0 {
			t.Error("it gets nothing")
		}
		for ref, was := range s.of(stickySpace, p.name) {
			if uint64(twin.core.Session()) == was.session && kept[ref].node != "" {
				t.Errorf("%v is bound to another disk", ref)
			}
		}
		p.cut = false // two processes of one id: the first is refused
		s.passes(20 * time.Second)
	}
}

// TestQuickRestartIsRebound: a process that dies and starts again within its session's
// time has its sticky shards back at once, by a new fence.
func TestQuickRestartIsRebound(t *testing.T) {
	s := modal(t, 5, 1, 3)
	p := s.victim()
	before, at := s.of(stickySpace, p.name), s.position()
	p.kill()
	s.passes(100 * time.Millisecond)
	p.restart()
	s.rests(5 * time.Second)
	if s.since(at)["SessionClosed"] != 1 {
		t.Errorf("events %v", s.since(at))
	}
	for ref, was := range before {
		if now := s.check.owners[ref]; now.node != p.name || now.fence <= was.fence {
			t.Errorf("%v was owned as %+v, is as %+v", ref, was, now)
		}
	}
}
