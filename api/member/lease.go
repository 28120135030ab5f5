package member

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// guardEvery bounds how late a context ends after the machine slept: the
// runtime's timers stand still meanwhile, the boot clock does not.
const guardEvery = 250 * time.Millisecond

// epoch is one uninterrupted life of the lease. What was begun in it ends with
// it, whatever comes after.
type epoch struct {
	session int64
	until   atomic.Int64
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// lease is the lease as everybody sees it. The loop renews it, the guard ends
// it; so that it ends in time although the loop is busy, and so that the two
// agree whether it was renewed in time: both happen under the lock.
type lease struct {
	clock func() int64

	mu      sync.Mutex
	epoch   *epoch // nil while there is none
	rides   rides
	stopped bool
	changed chan struct{}
}

func newLease(clock func() int64) *lease {
	return &lease{clock: clock, changed: make(chan struct{})}
}

// begin starts an epoch; the one before has ended.
func (l *lease) begin(parent context.Context, session, until int64) *epoch {
	e := &epoch{session: session}
	e.until.Store(until)
	e.ctx, e.cancel = context.WithCancelCause(parent)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(ErrReassigned)
	l.epoch = e
	l.notify()
	return e
}

// extend prolongs the epoch of a session; false when it has ended before.
func (l *lease) extend(session, until int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.epoch
	if e == nil || e.session != session {
		return false
	}
	if l.clock() >= e.until.Load() {
		l.endLocked(ErrLeaseEnded)
		return false
	}
	e.until.Store(max(e.until.Load(), until))
	return true
}

// expire ends what is over, the epoch and rides, and says how long it is until the
// next of them is; 0 without one.
func (l *lease) expire() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	next := l.rides.expire(now)
	if l.epoch != nil {
		if until := l.epoch.until.Load(); now < until {
			next = sooner(next, until)
		} else {
			l.endLocked(ErrLeaseEnded)
		}
	}
	if next == 0 {
		return 0
	}
	return time.Duration(next - now)
}

// end ends the present epoch.
func (l *lease) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(cause)
}

// stop ends it for good.
func (l *lease) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(ErrStopped)
	l.rides.end(ErrStopped)
	if !l.stopped {
		l.stopped = true
		l.notify()
	}
}

func (l *lease) endLocked(cause error) {
	if l.epoch == nil {
		return
	}
	l.epoch.cancel(cause)
	l.epoch = nil
	l.notify()
}

func (l *lease) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// now returns the present epoch, nil without one, and what is closed when that
// changes.
func (l *lease) now() (e *epoch, changed <-chan struct{}, stopped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch, l.changed, l.stopped
}

// await waits for a live lease.
func (l *lease) await(ctx context.Context) (*epoch, error) {
	for {
		e, changed, stopped := l.now()
		switch {
		case stopped:
			return nil, ErrStopped
		case e != nil && l.clock() < e.until.Load():
			return e, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

// guard ends epochs in time until ctx ends.
func (l *lease) guard(ctx context.Context) {
	for {
		_, changed, _ := l.now()
		var due <-chan time.Time
		if left := l.expire(); left > 0 {
			due = time.After(min(left, guardEvery))
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-due:
		}
	}
}
