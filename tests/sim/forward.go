package sim

import (
	"context"
	"errors"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// Timing of the forwarder that is its own affair.
const (
	answerGrace = 500 * time.Millisecond
	lookEvery   = 10 * time.Millisecond
)

// How a command or heartbeat that was sent to the leader ends without an answer.
var (
	errNoAnswer = errors.New("no answer in time")
	errChanged  = errors.New("another server leads now")
)

// leader is who leads as far as this server knows.
func (s *server) leader() (name string, known bool) {
	if len(s.w.servers) == 1 {
		return s.name, s.core.Leading()
	}
	return s.roster.Leader(s.name, s.core.Status(), s.core.View(), s.clock().Boot)
}

// command takes a request at any server, as the Forwarder does: this one's core
// decides it while it leads, else it travels to the leader, once.
func (s *server) command(r commands.Request, wait time.Duration, answer func(sequencer.Answer)) {
	if s.core.Leading() {
		s.submitWithin(r, wait, answer)
		return
	}
	s.dispatch(r, wait, s.w.now+int64(sequencer.NoLeaderWait), answer)
}

func (s *server) dispatch(r commands.Request, wait time.Duration, until int64, answer func(sequencer.Answer)) {
	to, known := s.leader()
	switch {
	case s.core.Leading():
		s.submitWithin(r, wait, answer)
	case known && to != s.name:
		s.carry(r, wait, to, answer)
	case s.w.now >= until:
		answer(sequencer.Answer{Err: sequencer.ErrNotLeader})
	default:
		s.deliver(lookEvery, func() { s.dispatch(r, wait, until, answer) })
	}
}

// carry takes a request to another server and its answer back.
func (s *server) carry(r commands.Request, wait time.Duration, to string, answer func(sequencer.Answer)) {
	w := s.w
	data, err := w.codec.Ask(&r, wait)
	if err != nil {
		answer(sequencer.Answer{Err: err})
		return
	}
	over := false
	end := func(data []byte, err error) {
		if !over {
			over = true
			receipt, err := w.codec.Result(to, data, err)
			w.did["forwarded: "+outcome(err)]++
			answer(sequencer.Answer{Receipt: receipt, Err: err})
		}
	}
	if !w.routed(to) {
		end(nil, sequencer.ErrUnreachable)
		return
	}
	s.deliver(wait+answerGrace, func() { end(nil, errNoAnswer) })
	s.deliver(lookEvery, func() { s.watchLeader(to, w.now, &over, func() { end(nil, errChanged) }) })
	s.exchange(to, func(l *server, reply func([]byte)) { l.serve(data, reply) }, func(data []byte) { end(data, nil) })
}

// outcome is a word for what a caller is told.
func outcome(err error) string {
	var rejected *commands.Rejected
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &rejected):
		return "rejected"
	case errors.Is(err, sequencer.ErrOutcomeUnknown):
		return "unknown"
	}
	return "not tried"
}

// watchLeader ends the wait for a server when another has led for a while.
func (s *server) watchLeader(to string, since int64, over *bool, changed func()) {
	name, known := s.leader()
	switch {
	case *over:
		return
	case !known || name == to:
		since = s.w.now
	case s.w.now-since > int64(sequencer.ChangeGrace):
		changed()
		return
	}
	s.deliver(lookEvery, func() { s.watchLeader(to, since, over, changed) })
}

// exchange sends to another server and brings back what it replies: either may be
// lost, and an answer may be cut short.
func (s *server) exchange(to string, serve func(l *server, reply func([]byte)), answered func([]byte)) {
	l := s.w.server(to)
	there, lost := s.w.send(s.name, to)
	if lost {
		return
	}
	inc := s.incarnation
	l.deliver(there, func() {
		serve(l, func(data []byte) {
			if s.w.fault() && s.w.chance(0.2) {
				data = data[:len(data)/2]
			}
			if back, lost := s.w.send(to, s.name); !lost && inc == s.incarnation {
				s.deliver(back, func() { answered(data) })
			}
		})
	})
}

// serve answers what another server has forwarded.
func (s *server) serve(data []byte, reply func([]byte)) {
	answer := func(a sequencer.Answer) {
		out, err := s.w.codec.Answer(a.Receipt, a.Err)
		if err != nil {
			s.w.fail("%s answers: %v", s.name, err)
			return
		}
		reply(out)
	}
	r, wait, err := s.w.codec.Asked(data)
	if !s.core.Leading() {
		err = sequencer.ErrNotLeader
	}
	if err != nil {
		answer(sequencer.Answer{Err: err})
		return
	}
	s.submitWithin(r, wait, answer)
}

// submitWithin is submit by a caller with a deadline: what is not decided by then
// never will be, of the rest nobody knows.
func (s *server) submitWithin(r commands.Request, wait time.Duration, answer func(sequencer.Answer)) {
	over, decided := false, false
	end := func(a sequencer.Answer) {
		if !over {
			over = true
			answer(a)
		}
	}
	p := &sequencer.Pending{Request: r, Cancelled: func() bool {
		decided = decided || !over
		return !decided
	}}
	if !s.enter(p, end) {
		return
	}
	s.deliver(wait, func() {
		if !decided {
			delete(s.waiting, p)
			end(sequencer.Answer{Err: context.DeadlineExceeded})
			return
		}
		end(sequencer.Answer{Err: sequencer.ErrOutcomeUnknown})
	})
}

// enter hands a request to the core, unless this server has not been able to
// prove for long that it leads, as the shell does.
func (s *server) enter(p *sequencer.Pending, answer func(sequencer.Answer)) bool {
	st, err := s.core.Status(), error(nil)
	if lapsed := st.Leading && s.clock().Boot > st.AuthorityUntil+int64(sequencer.AuthorityFor); lapsed && len(s.w.servers) > 1 {
		s.w.did["refused by a lapsed leader"]++
		err = sequencer.ErrNotLeader
	} else {
		err = s.core.Submit(p)
	}
	if err != nil {
		answer(sequencer.Answer{Pending: p, Err: err})
		return false
	}
	s.waiting[p] = answer
	s.deliver(0, s.pump)
	return true
}

// heartbeat takes a heartbeat at any server, as the Relay does.
func (s *server) heartbeat(hb sessions.Heartbeat, answer func(sessions.Answer, error)) {
	if s.core.Leading() {
		answer(s.beat(hb))
		return
	}
	to, known := s.leader()
	if !known {
		answer(sessions.Answer{}, sessions.ErrNoAuthority)
		return
	}
	data, err := hb.Encode()
	if err != nil {
		s.w.fail("%s relays: %v", s.name, err)
		return
	}
	over := false
	end := func(data []byte, err error) {
		if !over {
			over = true
			a, err := sessions.Relayed(to, data, err)
			s.w.did["relayed: "+outcome(err)]++
			answer(a, err)
		}
	}
	s.deliver(sessions.RelayWithin, func() { end(nil, errNoAnswer) })
	s.exchange(to, func(l *server, reply func([]byte)) {
		out := l.relay.Serve(l.w.ctx(), data)
		if _, err := sessions.Relayed(to, out, nil); err == nil {
			l.answered(hb)
		}
		reply(out)
	}, func(data []byte) { end(data, nil) })
}

// beat answers a heartbeat here.
func (s *server) beat(hb sessions.Heartbeat) (sessions.Answer, error) {
	a, err := s.relay.Keeper.Beat(s.w.ctx(), hb)
	if err == nil {
		s.answered(hb)
	}
	return a, err
}

// answered notes that this server has answered a heartbeat.
func (s *server) answered(hb sessions.Heartbeat) {
	s.w.check.answeredBeat(s, hb)
	if s.w.answered != nil {
		s.w.answered(hb.NodeID)
	}
	if hb.Full {
		for _, r := range s.runs {
			r.dirty = true
		}
		s.deliver(0, s.control)
	}
}
