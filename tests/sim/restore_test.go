package sim

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// backup is an archive of the log as it was at a message: before a node had
// joined, maybe, or a shard was owned.
func (s *scenario) backup(sequence uint64) []byte {
	s.t.Helper()
	var b bytes.Buffer
	var mark store.Mark
	all := s.log.Messages(1, int(sequence))
	for _, m := range all {
		_, next, err := mark.Verify(m)
		if err != nil {
			s.t.Fatal(err)
		}
		mark = next
	}
	w, err := archive.NewWriter(&b, archive.Header{Cluster: "c1", Created: epoch + s.now, Mark: mark})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range all {
		if err := w.Append(m); err != nil {
			s.t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	return b.Bytes()
}

// stop ends all servers, for good; what they had under way ends on their log.
func (s *scenario) stop() {
	s.t.Helper()
	for _, x := range s.servers {
		x.kill()
	}
	s.passes(10 * time.Millisecond)
}

// restore starts all servers on a log from a backup. The members run on, and what
// was given on the log that is lost stays known to the checker: fences and terms
// rise over it (L2).
func (s *scenario) restore(backup []byte) {
	s.t.Helper()
	r, err := archive.NewReader(bytes.NewReader(backup))
	if err != nil {
		s.t.Fatal(err)
	}
	era, err := archive.NextEra(r.Header(), 0)
	if err != nil {
		s.t.Fatal(err)
	}
	log := memlog.New(s.logFault)
	o := archive.RestoreOptions{Era: era, Now: epoch + s.now, By: archive.By{Actor: "local/a"}}
	if _, err := archive.Restore(s.t.Context(), r, log, o); err != nil {
		s.t.Fatal(err)
	}
	lost := s.check
	s.log, s.reg, s.check = log, memlog.NewRegister(s.registerFault), newChecker(s.World)
	s.check.prepared = lost.prepared
	s.check.given, s.check.writers, s.check.admitted, s.check.taken = lost.given, lost.writers, lost.admitted, lost.taken
	for id := range s.cfg.Modes { // no time ends what the lost log gave of these, and whom it gave it to may hear nothing
		s.check.taken[member.Ref{Namespace: stickySpace, Shard: id}] = true
	}
	s.check.log()
	for ref, fence := range lost.fences {
		s.check.fences[ref] = max(s.check.fences[ref], fence)
	}
	for scope, term := range lost.terms {
		s.check.terms[scope] = max(s.check.terms[scope], term)
	}
	for _, x := range s.servers {
		x.saved = sequencer.View{}
		x.restart()
		x.campaign()
	}
}

// lose lets decisions happen that no backup has: shards move, nodes come, one
// dies and others get what it had.
func (s *scenario) lose() {
	s.t.Helper()
	for range s.rng.IntN(3) {
		s.members = append(s.members, newProcess(s.World, fmt.Sprintf("n%d", len(s.members)+1)))
	}
	if s.chance(0.5) {
		s.owner().kill()
	}
	s.passes(s.between(0, 2*ttl+2*time.Second))
	for range 3 {
		to := s.members[s.rng.IntN(len(s.members))]
		leader := s.check.leader()
		if leader == nil || s.check.sessions[to.name] == 0 {
			continue
		}
		move := shard.Move{Namespace: "demo", Shards: []uint32{uint32(s.rng.IntN(int(s.cfg.Shards)))}, To: to.name}
		if s.cfg.Modes > 0 {
			move.Namespace, move.Shards = []string{rideSpace, fencedSpace}[s.rng.IntN(2)], []uint32{uint32(s.rng.IntN(int(s.cfg.Modes)))}
		}
		// Refused where it is there already.
		leader.submit(commands.Request{Actor: "user/a", Command: move}, func(sequencer.Answer) {})
	}
	s.passes(s.between(0, 300*time.Millisecond))
}

// TestRestoreOfOlderBackup: whatever happened after the backup, with members that
// run on, some of them out of reach for a while: no shard is owned twice on the
// nodes' own traces, no scope led twice, fences and terms rise over what was lost
// (S1, L1, L2), and the mesh comes to rest.
func TestRestoreOfOlderBackup(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := settled(t, seed, 1+int(seed%3), 2+int(seed%4), 12)
			backup := s.backup(1 + s.rng.Uint64N(s.check.mark.Sequence))
			s.lose()
			for _, p := range s.members {
				if s.chance(0.3) {
					p.cut = true
					s.after(s.between(0, 2*ttl), func() { p.cut = false })
				}
			}
			s.stop()
			s.passes(s.between(0, ttl/2))
			s.restore(backup)
			s.passes(ttl)
			if n := s.since(archive.Stride)["SessionOpened"]; n > 0 {
				t.Errorf("%d sessions are opened while leases of before may live", n)
			}
			for _, p := range s.members {
				if !p.alive {
					p.restart()
				}
			}
			s.rests(20 * time.Second)
			if s.position() < archive.Stride || s.check.replica.Control.Settling {
				t.Errorf("at position %d, settling %t", s.position(), s.check.replica.Control.Settling)
			}
			for ref, o := range s.check.owners {
				if events.Position(o.fence) < archive.Stride {
					t.Errorf("%v is still owned by a fence of before, %d", ref, o.fence)
				}
			}
		})
	}
}

// TestRestoreWhileRidden: members that own for longer than their leases do so on the
// log that is lost; nothing that they may act on is given to others by the restored one
// before that has ended (S1), and then all comes to rest.
func TestRestoreWhileRidden(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := modal(t, seed, 1+int(seed%3), 2+int(seed%4))
			backup := s.backup(s.check.mark.Sequence)
			s.lose()
			for _, p := range s.members {
				if s.chance(0.4) {
					p.cut = true
					s.after(s.between(0, 2*longRide), func() { p.cut = false })
				}
			}
			s.stop()
			s.passes(s.between(0, ttl/2))
			s.restore(backup)
			s.passes(longRide)
			if n := s.since(archive.Stride)["SessionOpened"]; n > 0 {
				t.Errorf("%d sessions are opened while ownerships of before may live", n)
			}
			for _, p := range s.members {
				if !p.alive {
					p.restart()
				}
			}
			s.rests(3 * longRide)
			for ref, o := range s.check.owners {
				if events.Position(o.fence) < archive.Stride {
					t.Errorf("%v is still owned by a fence of before, %d", ref, o.fence)
				}
			}
		})
	}
}

// TestSealedLog: however long a seal holds, no session expires and no shard moves;
// what died meanwhile is found when it is taken away.
func TestSealedLog(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := settled(t, seed, 1, 4, 12)
		s.submit(control.Seal{})
		s.passes(100 * time.Millisecond)
		at := s.position()
		dead := s.owner()
		dead.kill()
		s.passes(10 * ttl)
		if s.position() != at {
			t.Errorf("seed %d: a sealed log has %v", seed, s.since(at))
		}
		s.submit(control.Unseal{})
		s.passes(100 * time.Millisecond)
		s.passes(ttl)
		if n := s.since(at)["SessionClosed"]; n > 0 {
			t.Errorf("seed %d: %d sessions closed before their timers started anew", seed, n)
		}
		s.passes(5 * time.Second)
		if n := s.since(at)["SessionClosed"]; n != 1 || s.owned()[dead.name] != 0 {
			t.Errorf("seed %d: %d sessions closed, the dead node owns %d", seed, n, s.owned()[dead.name])
		}
	}
}
