package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/drainer"
	"github.com/omnirelay/omnirelay/ops/election"
	"github.com/omnirelay/omnirelay/ops/handoff"
	"github.com/omnirelay/omnirelay/ops/maintenance"
	"github.com/omnirelay/omnirelay/ops/placer"
	"github.com/omnirelay/omnirelay/ops/rebinder"
	"github.com/omnirelay/omnirelay/ops/scheduler"
	"github.com/omnirelay/omnirelay/ops/sessions"
	"github.com/omnirelay/omnirelay/ops/succession"
)

// controller is a process manager, as ops/loop runs it.
type controller interface {
	Name() string
	Step(sequencer.View, sequencer.Now) ([]commands.Command, time.Duration)
}

// run is a controller and what it waits for.
type run struct {
	controller
	outstanding int
	next        int64 // boot time
	dirty       bool
}

// server is one server process: a core, and while it leads the leases and the
// controllers.
type server struct {
	node
	core    *sequencer.Core
	relay   *sessions.Relay
	runs    []*run
	waiting map[*sequencer.Pending]func(sequencer.Answer)
	saved   sequencer.View // what a restart finds on its disk
	// began: it has read the log to its end once.
	began bool

	// Of its part in elections.
	roster *election.Roster
	state  election.State
	last   election.Beat // as it was last told
	told   int64         // when, boot time
	since  int64         // of the last campaign, boot time
	// successor is whom it retires for.
	successor string

	// What only the checker looks at: the beats that came, and when the last
	// write of the register that succeeded was sent.
	beats map[string]heard
	proof int64
	// against is the term after which it began to campaign.
	against events.Position

	wakeAt int64
	// deaf is set by scenarios: it follows no log, and nothing that it asks of the
	// register is answered.
	deaf bool
}

func newServer(w *World, name string) *server {
	s := &server{node: w.newNode(name)}
	s.boot(sequencer.View{})
	return s
}

func (s *server) boot(view sequencer.View) {
	s.core = sequencer.NewCore(sequencer.Config{
		Server: s.name, Incarnation: fmt.Sprintf("%s.%d", s.name, s.incarnation),
		NewLogID: events.LogID{1, byte(len(s.name)), s.name[1]}, Introduce: s.introduce,
	}, view)
	s.relay = &sessions.Relay{Keeper: sessions.NewKeeper(asLeader{s}, s.clock, slog.New(slog.DiscardHandler))}
	s.waiting = map[*sequencer.Pending]func(sequencer.Answer){}
	s.wakeAt, s.began, s.proof = 0, false, -int64(time.Hour)
	s.roster, s.state, s.last, s.told, s.since, s.successor = election.NewRoster(), election.State{}, election.Beat{}, 0, 0, ""
	s.beats = map[string]heard{}
	s.runs = nil
	for _, c := range []controller{s.relay.Keeper, rebinder.New(), placer.New(), handoff.New(s.relay.Keeper), succession.New(), drainer.New(s.relay.Keeper), maintenance.New(), scheduler.New()} {
		s.runs = append(s.runs, &run{controller: c, dirty: true})
	}
	s.deliver(0, s.follow)
	s.deliver(s.w.between(0, 100*time.Millisecond), s.elect)
}

// introduce is genesis, and what a server says of itself.
func (s *server) introduce(m *model.Model) []commands.Request {
	actor := "node/" + s.name
	var rs []commands.Request
	if m.Control.Era == 0 {
		rs = append(rs, commands.Request{Actor: actor, Command: control.StartEra{Cluster: "c1"}},
			commands.Request{Actor: actor, Command: policy.SetSession{TTL: s.w.cfg.TTL}},
			commands.Request{Actor: actor, Command: shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: s.w.cfg.Shards, Readers: s.w.cfg.Readers}}})
		for _, c := range s.w.modes() {
			rs = append(rs, commands.Request{Actor: actor, Command: c})
		}
	}
	return append(rs, commands.Request{Actor: actor, Command: membership.JoinServer{Node: membership.Descriptor{NodeID: s.name, ClusterID: "c1", Weight: 1}}})
}

func (s *server) kill() {
	s.alive, s.paused, s.backlog = false, false, nil
	s.incarnation++
	s.w.logHost.gone(s)
	s.w.regHost.gone(s)
}

// asLeader is the server as its keeper asks it.
type asLeader struct{ *server }

func (l asLeader) View() sequencer.View     { return l.core.View() }
func (l asLeader) Status() sequencer.Status { return l.core.Status() }

func (s *server) restart() {
	s.alive = true
	s.incarnation++
	view := s.saved
	if s.w.chance(0.3) {
		view = sequencer.View{} // its disk is gone: everything is replayed
	} else if view.Model != nil { // by its image, as from a file (T4)
		image, err := view.Model.Image()
		if err != nil {
			s.w.fail("image: %v", err)
			return
		}
		if view.Model, err = model.FromImage(image); err != nil {
			s.w.fail("from image: %v", err)
			return
		}
	}
	s.boot(view)
}

// follow reads what is stored, as every server of several does: from the host of
// the log, whom it must hear.
func (s *server) follow() {
	defer s.deliver(s.w.between(5*time.Millisecond, 60*time.Millisecond), s.follow)
	h := s.w.logHost.asked(s)
	if s.deaf || h == nil || h != s && !(s.w.carries(h.name, s.name) && h.alive && !h.paused) {
		return
	}
	at, ok := s.w.logHost.standing(h)
	if !ok || at == deposed {
		return // it has nothing that is new
	}
	ms := s.w.log.Messages(s.core.View().Mark.Sequence+1, followed)
	for _, m := range ms {
		if err := s.core.Followed(m); err != nil {
			s.w.fail("%s follows: %v", s.name, err)
			return
		}
	}
	s.began = s.began || len(ms) < followed
	s.pump()
}

// followed bounds the messages that are read at once.
const followed = 64

func (s *server) campaign() {
	if !s.alive || s.paused {
		return
	}
	s.since = s.clock().Boot
	if !s.core.Campaigning() {
		scope, _ := s.core.View().Model.Leadership.Scope(events.GlobalScope)
		s.against = scope.Term
	}
	if err := s.core.Campaign(); err != nil {
		s.w.fail("%s campaigns: %v", s.name, err)
	}
	s.pump()
}

// pump does what the core asks for.
func (s *server) pump() {
	was := s.core.Leading()
	r := s.core.Ready(s.clock())
	s.perform(r)
	if err := s.core.Fatal(); err != nil {
		s.w.fail("%s is fatal: %v", s.name, err)
		return
	}
	if !was && s.core.Leading() {
		s.w.tracef("%s leads", s.name)
	}
	s.after(r)
}

func (s *server) after(r sequencer.Ready) {
	if len(r.Stored) > 0 {
		s.roster.Stored(s.name, s.core.View(), s.clock().Boot)
		if s.w.chance(0.05) {
			s.saved = s.core.View()
		}
		for _, run := range s.runs {
			run.dirty = true
		}
	}
	for _, a := range r.Answers {
		if fn := s.waiting[a.Pending]; fn != nil {
			delete(s.waiting, a.Pending)
			fn(a)
		}
	}
	if r.Wake != 0 && (s.wakeAt == 0 || r.Wake < s.wakeAt || s.clock().Boot >= s.wakeAt) {
		s.wakeAt = r.Wake
		s.deliver(s.until(r.Wake), func() { s.wakeAt = 0; s.pump() })
	}
	s.control()
}

// submit hands a request to the core; answer is called in this process.
func (s *server) submit(r commands.Request, answer func(sequencer.Answer)) {
	s.enter(&sequencer.Pending{Request: r}, answer)
}

// impatient is submit by somebody who may stop waiting: the outcome is open then,
// whatever becomes of the request, which may also have been lost on its way.
func (s *server) impatient(r commands.Request, answer func(sequencer.Answer)) {
	over := false
	once := func(a sequencer.Answer) {
		if !over {
			over = true
			answer(a)
		}
	}
	if s.w.fault() {
		s.deliver(s.w.between(0, time.Second), func() { once(sequencer.Answer{Err: sequencer.ErrOutcomeUnknown}) })
		if s.w.chance(0.3) {
			return
		}
	}
	stands := time.Duration(0) // between looking and asking
	if s.w.stands != nil {
		var lost bool
		if stands, lost = s.w.stands(r); lost {
			s.deliver(0, func() { once(sequencer.Answer{Err: sequencer.ErrOutcomeUnknown}) })
			return
		}
	} else if s.w.fault() {
		stands = s.w.between(0, 6*time.Second)
	}
	if stands > 0 {
		s.deliver(stands, func() { s.submit(r, once) })
		return
	}
	s.submit(r, once)
}

// authority reports whether the server may answer heartbeats and step its
// controllers now.
func (s *server) authority() bool {
	until, _ := s.core.AuthorityUntil()
	return s.core.Leading() && s.clock().Boot < until
}

// control steps every controller that something changed for, and that has no
// command under way.
func (s *server) control() {
	if !s.authority() {
		return
	}
	now := s.clock()
	if s.core.View().Model.Control.Sealed != 0 {
		return // as ops/loop: what ends the seal wakes all
	}
	for _, r := range s.runs {
		if r.outstanding > 0 || !r.dirty && now.Boot < r.next {
			continue
		}
		r.dirty = false
		cmds, wait := r.Step(s.core.View(), now)
		control, _ := s.core.View().Model.Leadership.Scope(events.GlobalScope)
		r.next = now.Boot + int64(max(wait, time.Millisecond))
		r.outstanding = len(cmds)
		for _, c := range cmds {
			s.impatient(commands.Request{Actor: "node/" + s.name, Reason: r.Name(), Command: c, Term: control.Term}, func(a sequencer.Answer) {
				r.outstanding--
				r.dirty = true
				s.relay.Keeper.Answered(c, a.Err)
				var rejected *commands.Rejected
				if errors.As(a.Err, &rejected) {
					s.w.tracef("%s %s: %v", s.name, r.Name(), rejected)
				}
			})
		}
		s.deliver(s.until(r.next), s.control)
	}
}
