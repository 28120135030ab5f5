package member

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Ownership is the right to act for a shard, until it ends.
type Ownership struct {
	Namespace string
	Shard     uint32
	// Fence is above every fence that the shard was owned with before; a resource
	// that refuses lower ones than it has seen is safe from old owners.
	Fence int64

	grip *grip
}

// grip is the ownership's life.
type grip struct {
	clock func() int64
	until until
	// may ends when nothing may be done any more; told, its child, when the
	// ownership is to end.
	may, told    context.Context
	forbid, tell context.CancelCauseFunc
	// over ends with the first End.
	over     context.Context
	end      context.CancelFunc
	returned atomic.Bool
	flights  inFlight
	// warm is the preparation that came before; nil without one.
	warm *warmth
}

func newGrip(life context.Context, clock func() int64, u until) *grip {
	g := &grip{clock: clock, until: u}
	g.may, g.forbid = context.WithCancelCause(u.ctx)
	g.told, g.tell = context.WithCancelCause(g.may)
	g.over, g.end = context.WithCancel(life)
	return g
}

// Context ends when the ownership is to end, with [ErrReleased],
// [ErrLeaseEnded], [ErrReassigned] or [ErrRebound] as its cause.
func (o Ownership) Context() context.Context { return o.grip.told }

// Permit ends when the owner may act no more. On a release, and when it is bound
// anew, it outlives Context until the callback has returned, so that the last writes can be made.
func (o Ownership) Permit() context.Context { return o.grip.may }

// Check returns nil while the owner may act, and why not otherwise. It looks at
// the clock itself: a process that was paused knows at once, before any context
// has ended. Call it right before what only an owner may do.
func (o Ownership) Check() error {
	g := o.grip
	switch {
	case g.may.Err() != nil:
		return context.Cause(g.may)
	case g.returned.Load():
		return ErrReturned
	case g.until.hard && g.clock() >= g.until.at.Load():
		return ErrLeaseEnded
	}
	return nil
}

// Stale reports whether the shard may be another's by now, where the mode of its
// namespace, fenced or sticky, lets this owner go on all the same: no server has
// answered within the time for which the ownership was good. What it writes then
// must pass a resource that checks fences. An operator who moves the shard by force may
// have given it away before.
func (o Ownership) Stale() bool {
	u := o.grip.until
	return !u.hard && o.grip.clock() >= u.at.Load()
}

// String names the shard and the fence.
func (o Ownership) String() string {
	return fmt.Sprintf("%s/%d fence %d", o.Namespace, o.Shard, o.Fence)
}

func (c EndCause) err() error {
	switch c {
	case EndReleased:
		return ErrReleased
	case EndLease:
		return ErrLeaseEnded
	case EndRebound:
		return ErrRebound
	}
	return ErrReassigned
}

// apply carries an End out. Asked to release, it ends when what is in flight has
// been done; it runs on its own then.
func (g *grip) apply(cause EndCause, spawn func(func())) {
	g.end()
	if cause != EndReleased && cause != EndRebound {
		g.tell(cause.err())
		g.forbid(cause.err())
		return
	}
	idle := g.flights.close(func() { g.tell(cause.err()) })
	select {
	case <-idle:
		g.tell(cause.err())
	default:
		spawn(func() {
			g.settled(idle)
			g.tell(cause.err())
		})
	}
}

// settled waits until nothing is in flight, or nothing may be done any more.
func (g *grip) settled(idle <-chan struct{}) {
	select {
	case <-idle:
	case <-g.may.Done():
	}
}

// The wait before a shard is given back whose callback returned by itself.
const (
	giveBackMin = time.Second
	giveBackMax = 30 * time.Second
)

// streaks counts how often in a row the callback of a shard returned by itself,
// so that a shard that nobody can serve does not go round in a hot loop.
type streaks struct {
	mu sync.Mutex
	of map[Ref]int
}

func (s *streaks) next(ref Ref, ran time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ran > giveBackMax {
		delete(s.of, ref)
	}
	n := min(s.of[ref], 5)
	s.of[ref] = n + 1
	return min(giveBackMin<<n, giveBackMax)
}

func (s *streaks) clear(ref Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, ref)
}

// serve runs the callback of one ownership and reports when the shard is free.
func (m *Member) serve(o Ownership) {
	g, started := o.grip, m.clock()
	ref := Ref{Namespace: o.Namespace, Shard: o.Shard}
	err := m.call(o)
	g.settled(g.flights.close(func() { g.tell(ErrReturned) }))
	if o.Check() == nil {
		m.callRelease(o)
	}
	g.returned.Store(true)
	switch {
	case g.over.Err() != nil: // as it should be
		m.streaks.clear(ref)
		if err != nil && context.Cause(g.told) != err {
			m.log.Warn("owner ended with an error", "shard", o.String(), "error", err)
		}
	default:
		wait := m.streaks.next(ref, time.Duration(m.clock()-started))
		m.log.Warn("owner returned by itself, the shard is given back", "shard", o.String(), "after", wait, "error", err)
		g.tell(ErrReturned)
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-g.over.Done():
		}
	}
	g.end()
	g.forbid(ErrReturned)
	if g.warm != nil {
		g.warm.end(ErrReturned)
	}
	m.report(Ended{Ref: ref, Fence: o.Fence})
}

// callRelease calls the callback that follows Own, while the permit lives. Its
// error keeps nobody from the shard: who takes it next must be able to without.
func (m *Member) callRelease(o Ownership) {
	if m.cfg.Release == nil {
		return
	}
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return m.cfg.Release(o.Permit(), o)
	}()
	if err != nil {
		m.log.Warn("the release of a shard failed, it is given up all the same", "shard", o.String(), "error", err)
	}
}

// call calls the callback; a panic is its error.
func (m *Member) call(o Ownership) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if m.cfg.Own == nil {
		<-o.Context().Done()
		return nil
	}
	return m.cfg.Own(o.Context(), o)
}
