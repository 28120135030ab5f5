package sim

import (
	"errors"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// process is a member: the real core, and a shell that loses, delays and
// repeats.
type process struct {
	node
	core   *member.Core
	secret events.Hash
	// started counts its processes, as its data directory does; openKey is the
	// key of the open that is not yet answered.
	started uint64
	openKey commands.Key
	// openSent is the boot time at which the first attempt was sent: the lease
	// counts from there, since a repeated open is answered with what the first
	// one did.
	openSent int64
	at       int // the server that it talks to
	opening  bool
	leaving  bool
	wakeAt   int64
	// cut and stuck are set by scenarios: nothing reaches it or comes from it;
	// its callbacks do not return.
	cut, stuck bool
	// running are the callbacks that have started and not returned; owning are
	// those of them that may still act: not yet told that lease or assignment is
	// gone. One that was asked to release acts until it returns.
	running, owning map[member.Ref]int64
	// preps are the preparations of this process; cold is set by scenarios: none
	// returns of itself.
	preps map[member.Ref]*preparation
	cold  bool
	// batches is set by scenarios: callbacks return at once, and all together.
	batches bool
	batch   member.Batch
}

func newProcess(w *World, name string) *process {
	p := &process{node: w.newNode(name), secret: events.HashOf([]byte(name))}
	p.boot()
	return p
}

func (p *process) boot() {
	p.started++
	p.openKey = commands.Key{}
	p.core = member.NewCore(p.name)
	p.running, p.owning = map[member.Ref]int64{}, map[member.Ref]int64{}
	p.preps, p.batch = map[member.Ref]*preparation{}, nil
	p.opening, p.leaving, p.wakeAt = false, false, 0
	p.at = p.w.rng.IntN(len(p.w.servers))
	p.deliver(p.w.between(0, 300*time.Millisecond), p.tick)
	p.deliver(p.w.between(0, 100*time.Millisecond), p.poll)
	p.deliver(p.w.between(0, 3*time.Second), p.lead)
	if p.w.cfg.Modes > 0 {
		p.deliver(p.w.between(0, 200*time.Millisecond), p.write)
	}
}

func (p *process) kill() {
	p.alive, p.paused, p.backlog = false, false, nil
	p.incarnation++
	p.running, p.owning, p.preps = nil, nil, nil
}

func (p *process) restart() {
	p.alive = true
	p.incarnation++
	p.boot()
}

// callTimeout is after how long without an answer a member talks to another
// server.
const callTimeout = 400 * time.Millisecond

// call sends a request to the server that the member talks to and brings the
// answer back; on anything but success, and on silence, the next one is tried.
func (p *process) call(do func(s *server, reply func(func()))) {
	answered, at := false, p.at
	p.deliver(callTimeout, func() {
		if !answered {
			p.elsewhere(at)
		}
	})
	s := p.w.servers[at]
	there, lost := p.w.send(p.name, s.name)
	if lost || p.cut {
		p.elsewhere(at)
		return
	}
	s.deliver(there, func() {
		do(s, func(fn func()) {
			if back, lost := p.w.send(s.name, p.name); !lost && !p.cut {
				p.deliver(back, func() { answered = true; fn() })
			}
		})
	})
}

// elsewhere turns from a server to another: the next one, and in a storm any.
// Somebody may have turned from it already.
func (p *process) elsewhere(from int) {
	if p.at != from {
		return
	}
	if p.w.calm {
		p.at = (p.at + 1) % len(p.w.servers)
		return
	}
	p.at = p.w.rng.IntN(len(p.w.servers))
}

func (p *process) tick() {
	p.wakeAt = 0
	p.step(member.Tick{})
}

// step feeds the core and does what it says.
func (p *process) step(in member.Input) {
	now := p.clock().Boot
	lapsed := now >= p.core.LeaseUntil()
	outs, wake := p.core.Step(now, in)
	for _, o := range outs {
		p.output(o)
	}
	p.w.check.wakes(p)
	if lapsed && now < p.core.LeaseUntil() {
		for ref, fence := range p.owning {
			p.w.check.owns(p, ref, fence)
		}
	}
	if wake != 0 && (p.wakeAt == 0 || wake < p.wakeAt) {
		p.wakeAt = wake
		p.deliver(p.until(wake), func() {
			if p.wakeAt == wake {
				p.tick()
			}
		})
	}
}

func (p *process) output(o member.Output) {
	switch x := o.(type) {
	case member.Start:
		p.w.tracef("%s starts %s/%d fence %d", p.name, x.Ref.Namespace, x.Ref.Shard, x.Fence)
		if it := p.preps[x.Ref]; it != nil && it.running {
			p.w.fail("%s starts %s/%d while it prepares it", p.name, x.Ref.Namespace, x.Ref.Shard)
		}
		delete(p.preps, x.Ref)
		p.running[x.Ref], p.owning[x.Ref] = x.Fence, x.Fence
		p.w.check.owns(p, x.Ref, x.Fence)
		if p.w.started != nil {
			p.w.started(p, x.Ref, x.Fence)
		}
	case member.End:
		p.w.tracef("%s ends %s/%d fence %d, cause %d", p.name, x.Ref.Namespace, x.Ref.Shard, x.Fence, x.Cause)
		if x.Cause != member.EndReleased && x.Cause != member.EndRebound {
			delete(p.owning, x.Ref)
		}
		took := p.w.between(0, 20*time.Millisecond)
		if p.w.fault() {
			took = p.w.between(0, 40*time.Second) // a callback that will not end
		}
		if p.batches {
			took = 0
		}
		if p.stuck {
			took = time.Hour
		}
		p.deliver(took, func() {
			if p.running[x.Ref] == x.Fence {
				delete(p.running, x.Ref)
				delete(p.owning, x.Ref)
			}
			p.report(member.Ended{Ref: x.Ref, Fence: x.Fence})
		})
	case member.Prepare:
		p.prepare(x)
	case member.EndPrepare:
		p.endPrepare(x)
	case member.Beat:
		p.beat(x)
	case member.Open:
		p.open()
	case member.Leave:
		p.leave(x.Session)
	}
}

func (p *process) open() {
	if p.opening {
		return
	}
	p.opening = true
	inc, at := p.incarnation, p.at
	p.deliver(time.Second, func() { // no answer in time: again
		if p.opening && p.incarnation == inc {
			p.opening = false
			p.elsewhere(at)
			p.step(member.Tick{})
		}
	})
	if p.openKey.IsZero() {
		p.openKey, p.openSent = p.w.key(), p.clock().Boot
	}
	sent := p.openSent
	request := commands.Request{Actor: "node/" + p.name, Key: p.openKey, Command: membership.OpenSession{
		Node:       membership.Descriptor{NodeID: p.name, Role: "worker", ClusterID: "c1", Weight: 1},
		SecretHash: p.secret, Incarnation: p.started,
	}}
	p.call(func(s *server, reply func(func())) {
		s.command(request, time.Second, func(a sequencer.Answer) {
			reply(func() { p.opened(sent, a) })
		})
	})
}

func (p *process) opened(sent int64, a sequencer.Answer) {
	if a.Err != nil {
		return // the timer in open tries again, elsewhere, with the same key
	}
	p.opening, p.openKey = false, commands.Key{}
	p.step(member.Opened{Session: int64(a.Receipt.Position), TTL: p.w.cfg.TTL, SentAt: sent, Position: int64(a.Receipt.Position)})
}

func (p *process) beat(b member.Beat) {
	sent, at := p.clock().Boot, p.at
	hb := sessions.Heartbeat{NodeID: p.name, Session: events.Position(b.Session), Secret: p.secret, Full: b.Full}
	for _, h := range b.Held {
		hb.Held = append(hb.Held, sessions.Held{Namespace: h.Ref.Namespace, Shard: h.Ref.Shard, Fence: events.Position(h.Fence), State: sessions.State(h.State)})
	}
	digest := sessions.Digest(hb.Held)
	hb.Digest = digest[:]
	p.call(func(s *server, reply func(func())) {
		s.heartbeat(hb, func(answer sessions.Answer, err error) {
			reply(func() {
				var rejected *commands.Rejected
				switch {
				case err == nil:
					p.step(member.Answered{Session: b.Session, TTL: answer.TTL, SentAt: sent, WantFull: answer.WantFull})
				case errors.As(err, &rejected):
					p.step(member.SessionLost{Session: b.Session})
				default:
					p.elsewhere(at)
				}
			})
		})
	})
}

func (p *process) leave(session int64) {
	if p.leaving {
		return
	}
	p.leaving = true
	p.call(func(s *server, reply func(func())) {
		s.command(commands.Request{Actor: "node/" + p.name, Command: membership.Leave{
			NodeID: p.name, Session: events.Position(session), SecretHash: p.secret,
		}}, time.Second, func(sequencer.Answer) { reply(func() {}) })
	})
	p.deliver(p.w.between(10*time.Millisecond, 2*time.Second), func() { p.kill(); p.restart() })
}

// poll asks any server, however far behind, what this member's shards are.
func (p *process) poll() {
	p.deliver(p.w.between(10*time.Millisecond, 120*time.Millisecond), p.poll)
	s := p.w.servers[p.w.rng.IntN(len(p.w.servers))]
	there, lost := p.w.send(p.name, s.name)
	back, lostToo := p.w.send(s.name, p.name)
	if lost || lostToo || p.cut {
		return
	}
	s.deliver(there, func() {
		snap := snapshotFor(s.core.View(), p.name)
		p.deliver(back, func() { p.step(snap) })
	})
}

func snapshotFor(v sequencer.View, name string) member.Snapshot {
	snap := member.Snapshot{Position: int64(v.Mark.Position)}
	v.Model.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			if sh.Owner == name || sh.MoveTo == name {
				snap.Rows = append(snap.Rows, member.Row{
					Ref: member.Ref{Namespace: ns.Name, Shard: id}, Owner: sh.Owner, Session: int64(sh.Session),
					Fence: int64(sh.Fence), Draining: sh.Releasing() || ns.Deleting, To: sh.MoveTo,
					Mode: member.Mode(ns.Spec.Ownership), TTL: int64(ns.Spec.OwnershipTTL),
				})
			}
			return true
		})
		return true
	})
	return snap
}

// lead campaigns for a scope, or resigns, now and then; now and then the member
// leaves the mesh.
func (p *process) lead() {
	p.deliver(p.w.between(200*time.Millisecond, 3*time.Second), p.lead)
	session := events.Position(p.core.Session())
	if session == 0 || p.w.quiet {
		return
	}
	if !p.w.calm && p.w.chance(0.03) {
		p.step(member.Leaving{})
		return
	}
	scope := simScopes()[p.w.rng.IntN(2)]
	var c commands.Command = leadership.Campaign{Scope: scope, NodeID: p.name, Session: session, Priority: int32(p.w.rng.IntN(3))}
	if p.w.chance(0.2) && !p.w.calm {
		c = leadership.Resign{Scope: scope, NodeID: p.name, Session: session}
	}
	p.call(func(s *server, reply func(func())) {
		s.command(commands.Request{Actor: "node/" + p.name, Command: c}, time.Second, func(sequencer.Answer) { reply(func() {}) })
	})
}

// holdsLease reports whether the member may act on a session now.
func (p *process) holdsLease(session uint64) bool {
	return p.alive && uint64(p.core.Session()) == session && p.clock().Boot < p.core.LeaseUntil()
}
