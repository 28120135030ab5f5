package member

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// Preparation is a shard that is to come here, from an owner that serves on.
type Preparation struct {
	Namespace string
	Shard     uint32
	// Owner has the shard until it is asked to release, with Fence: what is read
	// of it by then may be written over by it.
	Owner string
	Fence int64
}

// String names the shard and its owner.
func (p Preparation) String() string {
	return fmt.Sprintf("%s/%d of %s fence %d", p.Namespace, p.Shard, p.Owner, p.Fence)
}

// The waits before a preparation that failed is tried again.
const (
	prepareMin = 250 * time.Millisecond
	prepareMax = 5 * time.Second
)

// warmth is the life of a preparation, which goes on in the ownership that
// follows.
type warmth struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// prepare begins a preparation.
func (l *loop) prepare(x Prepare) {
	w := &warmth{}
	w.ctx, w.end = context.WithCancelCause(l.life)
	l.warm[x.Ref] = w
	p := Preparation{Namespace: x.Ref.Namespace, Shard: x.Ref.Shard, Owner: x.Owner, Fence: x.Fence}
	l.m.tasks.spawn(func(context.Context) {
		ready := l.m.prepare(w.ctx, p)
		l.m.report(PrepareEnded{Ref: x.Ref, Fence: x.Fence, Ready: ready})
	})
}

func (l *loop) endPrepare(x EndPrepare) {
	if w := l.warm[x.Ref]; w != nil {
		delete(l.warm, x.Ref)
		w.end(ErrMoveEnded)
	}
}

// taken is the preparation of a shard that is owned from now on; nil without one.
func (l *loop) taken(ref Ref) *warmth {
	w := l.warm[ref]
	delete(l.warm, ref)
	return w
}

// prepare calls the callback until it succeeds; false when the move ended before.
func (m *Member) prepare(ctx context.Context, p Preparation) bool {
	pauses := waits{min: prepareMin, max: prepareMax}
	for {
		err := m.callPrepare(ctx, p)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			return true
		}
		m.log.Warn("preparation failed, trying again until the move ends", "shard", p.String(), "error", err)
		if !pauses.pause(ctx) {
			return false
		}
	}
}

// callPrepare calls the callback; a panic is its error.
func (m *Member) callPrepare(ctx context.Context, p Preparation) (err error) {
	if m.cfg.Prepare == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return m.cfg.Prepare(ctx, p)
}
