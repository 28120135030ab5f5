package member

import (
	"context"
	"sync/atomic"
	"time"
)

// until is the time that an ownership has: at is when it ends, if it is hard, or is
// stale from then on. ctx ends with a hard one.
type until struct {
	at   *atomic.Int64
	hard bool
	ctx  context.Context
}

func (e *epoch) term() until { return until{at: &e.until, hard: true, ctx: e.ctx} }

// ride is the time that ownerships of one session have in common that go on for
// longer than its lease. Like an epoch it is renewed by the answers to heartbeats of
// its session, and a hard one that has ended never lives again.
type ride struct {
	session int64
	ttl     int64
	hard    bool
	until   atomic.Int64
	ctx     context.Context
	cancel  context.CancelCauseFunc // of a hard one
}

func (r *ride) term() until { return until{at: &r.until, hard: r.hard, ctx: r.ctx} }

// rides are those of the sessions that this process has had; the lock of the lease
// guards them. They are few: one for each time that a namespace gives.
type rides []*ride

// end ends all that can end.
func (rs *rides) end(cause error) {
	for _, r := range *rs {
		if r.hard {
			r.cancel(cause)
		}
	}
	*rs = nil
}

// expire ends what is over, and returns when the next one is; 0 without one.
func (rs *rides) expire(now int64) (next int64) {
	kept := (*rs)[:0]
	for _, r := range *rs {
		at := r.until.Load()
		if r.hard && now >= at {
			r.cancel(ErrLeaseEnded)
			continue
		}
		if r.hard {
			next = sooner(next, at)
		}
		kept = append(kept, r)
	}
	clear((*rs)[len(kept):])
	*rs = kept
	return next
}

// ride is the time of ownerships of a session that go on for ttl nanoseconds after its
// last answered heartbeat, which is now until a moment.
func (l *lease) ride(parent context.Context, session, ttl, at int64, hard bool) until {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rides.expire(l.clock())
	kept := l.rides[:0]
	var found *ride
	for _, r := range l.rides {
		if r.session == session && r.ttl == ttl && r.hard == hard {
			found = r
		}
		if r.hard || r.session == session { // nothing renews the others, and nothing ends them
			kept = append(kept, r)
		}
	}
	clear(l.rides[len(kept):])
	l.rides = kept
	if found == nil {
		found = &ride{session: session, ttl: ttl, hard: hard}
		found.until.Store(at)
		if found.ctx = parent; hard {
			found.ctx, found.cancel = context.WithCancelCause(parent)
		}
		l.rides = append(l.rides, found)
		l.notify()
	}
	return found.term()
}

// prolong renews the rides of a session by an answer to a heartbeat that was sent at a
// moment; false when one has ended before.
func (l *lease) prolong(session, sentAt int64, ttl time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.rides)
	l.rides.expire(l.clock())
	for _, r := range l.rides {
		if r.session != session {
			continue
		}
		at := leaseEnd(sentAt, ttl)
		if r.ttl > 0 {
			at = max(at, leaseEnd(sentAt, time.Duration(r.ttl)))
		}
		r.until.Store(max(r.until.Load(), at))
	}
	return len(l.rides) == before
}
