package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/handoff"
	"github.com/omnirelay/omnirelay/ops/placer"
	"github.com/omnirelay/omnirelay/ops/sessions"
	"github.com/omnirelay/omnirelay/ops/succession"
	"github.com/omnirelay/omnirelay/store/memlog"
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
	leases  *sessions.Leases
	runs    []*run
	waiting map[*sequencer.Pending]func(sequencer.Answer)
	saved   sequencer.View // what a restart finds on its disk
	// seen and seenAt are the register's version and when it last changed, as
	// this server saw it: how it knows that the leader is gone.
	seen   uint64
	seenAt int64
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
	s.leases = sessions.NewLeases()
	s.waiting = map[*sequencer.Pending]func(sequencer.Answer){}
	s.seenAt, s.wakeAt = s.w.now, 0
	s.runs = nil
	for _, c := range []controller{(*keeper)(s), placer.New(), handoff.New(s.leases), succession.New()} {
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
			commands.Request{Actor: actor, Command: shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: s.w.cfg.Shards}}})
	}
	return append(rs, commands.Request{Actor: actor, Command: membership.JoinServer{Node: membership.Descriptor{NodeID: s.name, ClusterID: "c1", Weight: 1}}})
}

func (s *server) kill() {
	s.alive, s.paused, s.backlog = false, false, nil
	s.incarnation++
}

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

// follow reads what is stored, as a standby does.
func (s *server) follow() {
	defer s.deliver(s.w.between(5*time.Millisecond, 60*time.Millisecond), s.follow)
	if s.deaf {
		return
	}
	for _, m := range s.w.log.Messages(s.core.View().Mark.Sequence+1, 64) {
		if err := s.core.Followed(m); err != nil {
			s.w.fail("%s follows: %v", s.name, err)
			return
		}
	}
	s.pump()
}

// elect campaigns when the register has not changed for a while. Elections among
// servers are a later controller; here any server may try at any time, and the
// register and the log decide.
func (s *server) elect() {
	defer s.deliver(s.w.between(100*time.Millisecond, 500*time.Millisecond), s.elect)
	if s.core.Leading() {
		s.seenAt = s.w.now
		return
	}
	version, _, err := s.w.reg.Read(s.w.ctx())
	if err == nil && version != s.seen {
		s.seen, s.seenAt = version, s.w.now
	}
	// An impatient server campaigns while the leader is well: the authority of
	// the two overlaps, which costs a leader, not the guarantee.
	impatient := s.w.fault() && s.w.chance(0.3)
	if impatient || s.w.now-s.seenAt > int64(s.w.between(time.Second, 3*time.Second)) {
		s.campaign()
	}
}

func (s *server) campaign() {
	if !s.alive || s.paused {
		return
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
	if p := r.Publish; p != nil {
		s.op(func() func() {
			err := s.w.log.TryPublish(p.Expect, p.Data)
			return func() { s.core.Published(p.Expect, err) }
		})
	}
	if seq := r.Load; seq != 0 {
		s.op(func() func() {
			m, err := s.w.log.Load(s.w.ctx(), seq)
			return func() { s.core.Loaded(s.clock(), seq, m, err) }
		})
	}
	if x := r.Write; x != nil {
		s.op(func() func() {
			if s.deaf {
				return func() { s.core.Written(s.clock(), 0, memlog.ErrNoAck) }
			}
			v, err := s.w.reg.TryWrite(x.Expect, x.Data)
			return func() { s.core.Written(s.clock(), v, err) }
		})
	}
	if r.Read {
		s.op(func() func() {
			if s.deaf {
				return func() { s.core.WasRead(s.clock(), 0, nil, memlog.ErrNoAck) }
			}
			v, data, err := s.w.reg.Read(s.w.ctx())
			return func() { s.core.WasRead(s.clock(), v, data, err) }
		})
	}
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

// op lets an operation take effect after a while, and its result come back
// after another: whatever happens to the process in between.
func (s *server) op(do func() func()) {
	there, back := s.w.between(50*time.Microsecond, 2*time.Millisecond), s.w.between(50*time.Microsecond, 2*time.Millisecond)
	if s.w.fault() {
		there = s.w.between(0, 2*time.Second)
	}
	if s.w.fault() {
		back = s.w.between(0, 2*time.Second)
	}
	inc := s.incarnation
	s.w.after(there, func() {
		result := do()
		if inc == s.incarnation {
			s.deliver(back, func() { result(); s.pump() })
		}
	})
}

// submit hands a request to the core; answer is called in this process.
func (s *server) submit(r commands.Request, answer func(sequencer.Answer)) {
	p := &sequencer.Pending{Request: r}
	if err := s.core.Submit(p); err != nil {
		answer(sequencer.Answer{Pending: p, Err: err})
		return
	}
	s.waiting[p] = answer
	s.deliver(0, s.pump)
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
		if s.w.chance(0.5) {
			return
		}
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
		r.next = now.Boot + int64(max(wait, time.Millisecond))
		r.outstanding = len(cmds)
		for _, c := range cmds {
			s.impatient(commands.Request{Actor: "node/" + s.name, Reason: r.Name(), Command: c}, func(a sequencer.Answer) {
				r.outstanding--
				r.dirty = true
				if c, ok := c.(membership.CloseSession); ok {
					s.leases.Answered(c, a.Err, s.clock().Boot)
				}
				var rejected *commands.Rejected
				if errors.As(a.Err, &rejected) {
					s.w.tracef("%s %s: %v", s.name, r.Name(), rejected)
				}
			})
		}
		s.deliver(s.until(r.next), s.control)
	}
}

// keeper is the session controller over this server's leases.
type keeper server

func (k *keeper) Name() string { return "sessions" }

func (k *keeper) Step(v sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	if v.Model.Control.Sealed != 0 {
		return nil, time.Second
	}
	_, gained := k.core.AuthorityUntil()
	k.leases.Sync(v.Model, gained, now.Boot)
	cmds, next := k.leases.Step(now.Boot)
	if next == 0 {
		return cmds, time.Second
	}
	return cmds, time.Duration(next - now.Boot)
}

// beat answers a heartbeat as ops/sessions.Keeper does.
func (s *server) beat(hb sessions.Heartbeat) (sessions.Answer, error) {
	if !s.authority() {
		return sessions.Answer{}, sessions.ErrNoAuthority
	}
	_, gained := s.core.AuthorityUntil()
	view, now := s.core.View(), s.clock()
	if !s.leases.Has(hb.NodeID, hb.Session, gained) {
		s.leases.Sync(view.Model, gained, now.Boot)
	}
	a, err := s.leases.Beat(view.Model, hb, now.Boot)
	if err == nil && s.w.answered != nil {
		s.w.answered(hb.NodeID)
	}
	if err == nil && hb.Full {
		for _, r := range s.runs {
			r.dirty = true
		}
		s.deliver(0, s.control)
	}
	return a, err
}
