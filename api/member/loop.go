package member

import (
	"context"
	"log/slog"
	"time"
)

// maxBatch bounds the changes of one step.
const maxBatch = 4096

// loop owns the Core. Everything else brings it notes and changes, and it waits
// for nobody: what takes time is done by tasks that report back. So it is never
// more than one step away from hearing that the lease was answered.
type loop struct {
	m     *Member
	log   *slog.Logger
	life  context.Context
	core  *Core
	store *store

	epoch *epoch // the last begun
	owned map[Ref]*grip
	warm  map[Ref]*warmth
	ttl   time.Duration
	wake  int64 // boot time; 0 is never

	opening bool
	openAt  int64 // boot time of the next attempt; 0 is none
	// openKey is the idempotency key of the open that is not answered yet,
	// openSent the boot time of its first attempt, and openBefore the newest
	// position that was seen by then: the session's is above it, though not above
	// all that is seen until the answer comes.
	openKey    string
	openSent   int64
	openBefore int64
	openWaits  waits
	// takenSince is when it was first heard that another process has the node
	// id; 0 while it was not.
	takenSince int64
	following  bool

	beats beats

	// stopping: everything is being released. closing: the leave is out.
	stopping bool
	leaveBy  int64 // boot time at which it is given up; 0 is never
	stopAt   int64 // boot time at which the stop with that limit began
	// askedAt is the boot time of the first question to the servers that none was
	// answered after; 0 when there is none.
	askedAt int64
	closing bool
	closeAt int64
	// sealed: the leave was sent, so nothing may be begun or go on.
	sealed bool
	left   bool
	fatal  error
}

func newLoop(m *Member, life context.Context, s *store) *loop {
	return &loop{
		m: m, log: m.log, life: life, core: NewCore(m.cfg.NodeID), store: s, owned: map[Ref]*grip{}, warm: map[Ref]*warmth{},
		openWaits: waits{min: reopenMin, max: reopenMax},
	}
}

func (l *loop) now() int64     { return l.m.clock() }
func (l *loop) fail(err error) { l.fatal = err }

// run steps until the member has left or cannot go on.
func (l *loop) run(ctx context.Context) error {
	done, leaving := ctx.Done(), (<-chan struct{})(l.m.leaving)
	timer := time.NewTimer(0)
	defer timer.Stop()
	l.step(Tick{})
	for !l.left && l.fatal == nil {
		timer.Reset(l.sleep())
		select {
		case <-done:
			done = nil
			if l.m.cfg.LeaveTimeout == 0 {
				return nil
			}
			l.stop("stopping", l.m.cfg.LeaveTimeout)
		case <-leaving:
			leaving = nil
			l.stop("leaving", 0)
		case in := <-l.m.changes:
			l.step(l.batch(in))
		case fn := <-l.m.notes:
			fn(l)
		case <-timer.C:
			l.tick()
		}
	}
	return l.fatal
}

// stop begins to release everything; 0 gives it all the time it needs.
func (l *loop) stop(why string, limit time.Duration) {
	if limit > 0 {
		l.stopAt = l.now()
		l.leaveBy = l.stopAt + int64(limit)
	}
	if !l.stopping {
		l.stopping = true
		l.log.Info(why, "shards", len(l.owned), "limit", limit)
		l.step(Leaving{})
	}
}

// sleep is how long nothing is due.
func (l *loop) sleep() time.Duration {
	due := int64(0)
	for _, at := range []int64{l.wake, l.openAt, l.leaveBy, l.silentBy(), l.closeAt} {
		if at != 0 && (due == 0 || at < due) {
			due = at
		}
	}
	if due == 0 {
		return time.Hour
	}
	return time.Duration(max(0, due-l.now()))
}

// silentBy is the boot time at which leaving is given up because no server
// answers; 0 is never.
func (l *loop) silentBy() int64 {
	if l.leaveBy == 0 || l.askedAt == 0 || l.m.cfg.LeaveSilence == 0 {
		return 0
	}
	return max(l.stopAt, l.askedAt) + int64(l.m.cfg.LeaveSilence)
}

// asked notes a question to the servers, answered an answer to any.
func (l *loop) asked() {
	if l.askedAt == 0 {
		l.askedAt = l.now()
	}
}

func (l *loop) answered() { l.askedAt = 0 }

func (l *loop) tick() {
	now := l.now()
	if by := l.silentBy(); by != 0 && now >= by {
		l.log.Warn("gave up leaving, no server answers: the session ends by its time to live",
			"shards", len(l.owned), "silence", l.m.cfg.LeaveSilence, "ttl", l.ttl)
		l.left = true
		return
	}
	if l.leaveBy != 0 && now >= l.leaveBy {
		l.log.Warn("gave up leaving: the session ends by its time to live", "shards", len(l.owned), "limit", l.m.cfg.LeaveTimeout)
		l.left = true
		return
	}
	if l.openAt != 0 && now >= l.openAt {
		l.openAt = 0
		if l.core.Session() == 0 && !l.stopping {
			l.open()
		}
	}
	if l.closeAt != 0 && now >= l.closeAt {
		l.closeAt = 0
	}
	if l.core.Session() != 0 || l.stopping || l.wake != 0 && now >= l.wake {
		l.step(Tick{})
	}
}

// batch takes what else has come, so that thousands of shards are one look and
// one heartbeat.
func (l *loop) batch(first Input) Input {
	all := Batch{first}
	for len(all) < maxBatch {
		select {
		case in := <-l.m.changes:
			all = append(all, in)
		default:
			return all
		}
	}
	return all
}

// step steps the Core and does what it says.
func (l *loop) step(in Input) {
	now := l.now()
	if a, ok := in.(Answered); ok && a.Session == l.core.Session() && a.Session != 0 {
		l.ttl = a.TTL
		inTime := l.m.lease.extend(a.Session, leaseEnd(a.SentAt, a.TTL))
		if !l.m.lease.prolong(a.Session, a.SentAt, a.TTL) || !inTime {
			now = l.now() // so that the Core sees as well that it was too late
		}
	}
	l.forget(in)
	out, wake := l.core.Step(now, in)
	l.wake = wake
	l.m.position.Store(l.core.Position())
	l.store.note(l.core.Position())
	t := tally{}
	for _, o := range out {
		if e, ok := o.(End); ok {
			l.endOne(e, &t)
		}
	}
	l.syncLease(now)
	for _, o := range out {
		l.do(o, &t)
	}
	t.tell(l.log, l.core.Session())
}

// syncLease brings what everybody sees of the lease to what the Core has.
func (l *loop) syncLease(now int64) {
	session, until := l.core.Session(), l.core.LeaseUntil()
	switch {
	case l.sealed:
	case session == 0:
		if l.epoch != nil {
			l.m.lease.end(ErrReassigned)
			l.epoch = nil
		}
	case now >= until:
		if l.epoch != nil {
			l.log.Warn("lease ended: no heartbeat was answered in time", "session", session)
			l.m.lease.end(ErrLeaseEnded)
			l.epoch = nil
		}
	case l.epoch == nil || l.epoch.session != session || l.epoch.ctx.Err() != nil:
		l.epoch = l.m.lease.begin(l.life, session, until)
		l.log.Info("lease lives", "session", session, "for", time.Duration(until-now))
	}
}

func (l *loop) do(o Output, t *tally) {
	switch x := o.(type) {
	case Start:
		l.start(x, t)
	case Prepare:
		l.prepare(x)
	case EndPrepare:
		l.endPrepare(x)
	case Beat:
		l.beat(x)
	case Open:
		if l.openAt == 0 {
			l.open()
		}
	case Leave:
		l.closeSession(x.Session)
	}
}

// start hands a shard to its callback. The Core starts nothing without a live
// lease, so there is an epoch.
func (l *loop) start(s Start, t *tally) {
	term := l.epoch.term()
	if s.Mode != Leased || s.TTL > 0 {
		ttl := int64(s.TTL)
		term = l.m.lease.ride(l.life, l.core.Session(), ttl, l.core.Term(ttl), s.Mode == Leased)
	}
	g := newGrip(l.life, l.m.clock, term)
	g.warm = l.taken(s.Ref)
	l.owned[s.Ref] = g
	o := Ownership{Namespace: s.Ref.Namespace, Shard: s.Ref.Shard, Fence: s.Fence, grip: g}
	l.m.held.put(o)
	l.m.news.tell()
	t.add(&t.started, s.Ref)
	l.m.tasks.spawn(func(context.Context) { l.m.serve(o) })
}

func (l *loop) endOne(e End, t *tally) {
	if g := l.owned[e.Ref]; g != nil {
		g.apply(e.Cause, func(fn func()) { l.m.tasks.spawn(func(context.Context) { fn() }) })
		t.add(&t.ended[e.Cause], e.Ref)
	}
}

// forget lets go of ownerships whose callback has returned.
func (l *loop) forget(in Input) {
	switch x := in.(type) {
	case Ended:
		delete(l.owned, x.Ref)
		l.m.held.drop(x.Ref, x.Fence)
	case Batch:
		for _, each := range x {
			l.forget(each)
		}
	}
}

// release ends what is still owned when the loop has ended.
func (l *loop) release() {
	for _, g := range l.owned {
		g.end()
		g.tell(ErrStopped)
		g.forbid(ErrStopped)
	}
	for _, w := range l.warm {
		w.end(ErrStopped)
	}
	l.m.lease.stop()
}

// tally counts what a step did, for one line each.
type tally struct {
	started crowd
	ended   [EndRebound + 1]crowd
}

type crowd struct {
	count int
	first Ref
}

func (t *tally) add(c *crowd, ref Ref) {
	if c.count == 0 {
		c.first = ref
	}
	c.count++
}

func (t *tally) tell(log *slog.Logger, session int64) {
	if t.started.count > 0 {
		log.Info("shards owned", t.started.attrs(session)...)
	}
	for cause, c := range t.ended {
		if c.count > 0 {
			log.Info("shards ending", append(c.attrs(session), "cause", EndCause(cause).err())...)
		}
	}
}

func (c crowd) attrs(session int64) []any {
	return []any{"count", c.count, "namespace", c.first.Namespace, "first", c.first.Shard, "session", session}
}
