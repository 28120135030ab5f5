package sim

import (
	"time"

	"github.com/omnirelay/omnirelay/ops/election"
)

// heard is what the checker knows of the beats that reached a server: when the
// last one of another came, whether that one missed the leader, and how far it had
// come.
type heard struct {
	at       int64
	misses   bool
	position uint64
	leaving  bool
}

// elect is a step of this server's part in elections, as ops/election runs it. A
// single server campaigns whenever it does not lead.
func (s *server) elect() {
	defer s.deliver(s.w.between(15*time.Millisecond, 30*time.Millisecond), s.elect)
	if !s.began {
		return // it reads the log first
	}
	if len(s.w.servers) == 1 {
		if !s.core.Leading() && s.core.Idle() {
			s.campaign()
		}
		return
	}
	s.consider()
	// An impatient server campaigns while the leader is well: the authority of the
	// two overlaps, which costs a leader, not the guarantee.
	if s.w.fault() && s.w.chance(0.02) {
		s.w.tracef("%s campaigns without reason", s.name)
		s.campaign()
	}
}

// look is what this server knows now.
func (s *server) look() election.View {
	v := s.roster.Look(s.name, s.core.Status(), s.core.View(), s.clock().Boot)
	log, register := s.w.logHost.hosts(s), s.w.regHost.hosts(s)
	v.Servers, v.Since, v.HostsLog, v.HostsAll = len(s.w.servers), s.since, log, log && register
	v.Routed = v.Leader != "" && s.w.routed(v.Leader)
	return v
}

// routed reports whether a connection leads to a server: one that was killed has
// closed it, one that is cut off or stands still has not.
func (w *World) routed(name string) bool { return w.server(name).alive }

func (s *server) consider() {
	v := s.look()
	var a election.Action
	s.state, a = election.Step(s.state, v)
	switch {
	case a.Campaign:
		s.w.tracef("%s campaigns: %s", s.name, a.Why)
		s.w.did["campaigns: "+a.Why]++
		s.w.check.campaigns(s, v)
		s.campaign()
	case a.Withdraw:
		s.w.tracef("%s withdraws", s.name)
		s.w.did["withdrawals"]++
		s.core.Withdraw()
		s.pump()
	case a.Steer:
		s.w.did["steered"]++
		s.state.AwaySince = 0
		s.steer(s, func() {})
	}
	if b := s.says(a.Misses); v.Now-s.told >= int64(election.BeatEvery) || b.News(s.last) {
		s.told, s.last = v.Now, b
		s.tell(b)
	}
}

// says is what this server says of itself now.
func (s *server) says(misses bool) election.Beat {
	st, v := s.core.Status(), s.core.View()
	b := election.Beat{
		Server: s.name, Leading: s.authority(), Term: uint64(st.Term), Misses: misses, Eligible: !st.Follows,
		Position: uint64(v.Mark.Position), Hash: v.Mark.Hash,
	}
	if s.successor != "" && b.Leading {
		b.Retiring, b.Successor = true, s.successor
	}
	return b
}

// tell sends a beat to all others: each may hear it, late, or before an earlier
// one, or never.
func (s *server) tell(b election.Beat) {
	data := b.Encode()
	for _, o := range s.w.servers {
		if o == s {
			continue
		}
		if delay, lost := s.w.send(s.name, o.name); !lost {
			o.deliver(delay, func() { o.hear(data) })
		}
	}
}

func (s *server) hear(data []byte) {
	b, err := election.DecodeBeat(data)
	if err != nil {
		s.w.fail("%s hears: %v", s.name, err)
		return
	}
	s.beats[b.Server] = heard{s.w.now, b.Misses, b.Position, b.Leaving}
	s.roster.Hear(b, s.clock().Boot)
	if (b.Retiring || b.Leaving) && s.began {
		s.consider()
	}
}

// steer asks that the log, and then the register, be hosted by a server; then is
// called when that was answered, or was in vain.
func (s *server) steer(to *server, then func()) {
	ask := func(st *stream, then func()) {
		s.deliver(s.w.between(5*time.Millisecond, 80*time.Millisecond), func() {
			h := st.host
			if h != nil && s.w.reaches(s, h) && s.w.majority(h) && s.w.reaches(h, to) && s.w.majority(to) {
				st.move(to)
			}
			then()
		})
	}
	ask(s.w.logHost, func() { ask(s.w.regHost, then) })
}

// retire hands leadership over, as a server does that is asked to stop, and ends;
// again is called when it has.
func (s *server) retire(again func()) {
	name, ok := s.roster.Successor(s.clock().Boot, s.w.routed)
	if !s.core.Leading() || !ok {
		s.leave(again)
		return
	}
	s.w.tracef("%s retires for %s", s.name, name)
	s.w.did["retirements"]++
	s.steer(s.w.server(name), func() {
		s.successor = name
		s.consider()
		s.handOver(s.w.now+int64(1500*time.Millisecond), again)
	})
}

func (s *server) handOver(until int64, again func()) {
	if s.core.Leading() && s.w.now < until {
		s.deliver(election.StepEvery/4, func() { s.handOver(until, again) })
		return
	}
	s.leave(again)
}

// leave resigns, waits for what is in flight, and ends.
func (s *server) leave(again func()) {
	s.core.Resign()
	s.pump()
	until := s.w.now + int64(opTimeout)
	var drain func()
	drain = func() {
		if !s.core.Idle() && s.w.now < until {
			s.deliver(5*time.Millisecond, drain)
			return
		}
		b := s.says(false)
		b.Leaving, b.Leading = true, false
		s.tell(b)
		s.kill()
		again()
	}
	drain()
}
