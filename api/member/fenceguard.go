package member

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// MaxFencedScopes bounds the scopes that a guard remembers. One more is refused
// with [ErrTooManyScopes]; none is forgotten to make room, for a scope that is
// forgotten takes its old holders back.
const MaxFencedScopes = 65_536

// FenceGuard stands before a resource and lets operations in by their fencing
// token. It promises, by scope:
//
//  1. No operation is admitted with a fence below one that was presented before
//     (L3), be it that the higher one was admitted or, say for a full disk, not.
//  2. With a [FenceStore] that holds over restarts of the resource: a fence is
//     kept before the first operation with it is admitted.
//  3. Operations in [FenceGuard.Do] are ordered by fence: one begins only after
//     every one of a lower fence has returned, and once a higher fence was
//     presented, none of a lower one begins. Those of one fence run side by side.
//
// It believes the number: who may present a fence is for the resource's
// authentication to say, since a made-up high one locks the true holder out.
//
// The simple story would be a highest number under a lock. It does not do,
// because an operation that was let in before the higher fence came may write
// after it; so the higher one cancels what is running and waits for its end.
// Waiting for its end only would hang on an operation of a holder that sleeps.
type FenceGuard struct {
	keeper *fenceKeeper
	mu     sync.Mutex
	scopes map[string]*fencedScope
}

// fencedScope is what the guard knows of a scope; guarded by the guard's lock.
type fencedScope struct {
	// seen is the highest fence that was presented, kept the highest that a
	// restart does not forget.
	seen, kept int64
	// raised is closed, and made anew, when seen rises.
	raised chan struct{}
	// shift is what is running; nil when nothing is.
	shift *shift
}

// shift is the operations of one fence that run side by side.
type shift struct {
	fence  int64
	n      int
	ctx    context.Context // ends with the higher fence as its cause
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when all have returned
}

// NewFenceGuard makes a guard that begins with what the store holds. A nil store
// keeps nothing: after a restart of the resource the guard knows no fence, and
// takes an old holder for the newest until a newer one comes by.
func NewFenceGuard(store FenceStore) (*FenceGuard, error) {
	g := &FenceGuard{scopes: map[string]*fencedScope{}}
	if store == nil {
		return g, nil
	}
	fences, err := store.Load()
	if err != nil {
		return nil, fmt.Errorf("member: load fences: %w", err)
	}
	for scope, fence := range fences {
		g.scopes[scope] = &fencedScope{seen: fence, kept: fence, raised: make(chan struct{})}
	}
	g.keeper = newFenceKeeper(store)
	return g, nil
}

// Highest is the highest fence that was presented for a scope, 0 when none was.
func (g *FenceGuard) Highest(scope string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.scopes[scope]; s != nil {
		return s.seen
	}
	return 0
}

// Admit lets an operation in, or says why not: with [*StaleFenceError],
// [ErrInvalidFence], [ErrTooManyScopes], [ErrFenceNotKept], or with
// [ErrFenceBusy] while operations of a lower fence run in Do, which it does not
// wait for. It says nothing of when the operation ends: between Admit and its
// last write a higher fence may be admitted. Use it where the resource itself
// puts writes in order and calls Admit under the same lock as the write; else Do.
func (g *FenceGuard) Admit(scope string, fence int64) error {
	s, err := g.present(context.Background(), scope, fence)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if fence < s.seen {
		return s.stale(scope, fence)
	}
	if s.shift != nil && s.shift.fence < fence {
		return fmt.Errorf("%w: fence %d of %s", ErrFenceBusy, s.shift.fence, scope)
	}
	return nil
}

// Do runs an operation that no operation of another fence runs beside, and
// returns what it returns. Its context carries the token, for [TokenOf], and
// ends with a [*StaleFenceError] as cause when a higher fence is presented:
// until it returns the higher one waits, so it should soon. What it did by then
// counts as done before.
//
// Do waits for the operations of lower fences as long as ctx lives, and returns
// [ErrFenceBusy] after that. Its other refusals are those of Admit.
func (g *FenceGuard) Do(ctx context.Context, scope string, fence int64, fn func(context.Context) error) error {
	return g.do(ctx, ctx, FencingToken{Scope: scope, Fence: fence}, fn)
}

// do waits in one context and runs in another.
func (g *FenceGuard) do(wait, ctx context.Context, t FencingToken, fn func(context.Context) error) error {
	s, err := g.present(wait, t.Scope, t.Fence)
	if err != nil {
		return err
	}
	w, err := g.enter(wait, s, t.Scope, t.Fence)
	if err != nil {
		return err
	}
	defer g.leave(s, w)
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, tokenKey{}, t))
	defer cancel(context.Canceled)
	defer context.AfterFunc(w.ctx, func() { cancel(context.Cause(w.ctx)) })()
	return fn(ctx)
}

// doWithin is Do with a bound on the wait that is none on the operation.
func (g *FenceGuard) doWithin(ctx context.Context, wait time.Duration, t FencingToken, fn func(context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return g.do(waiting, ctx, t, fn)
}

// present raises what was seen, ends the shift of a lower fence, and returns
// when the fence is kept.
func (g *FenceGuard) present(ctx context.Context, scope string, fence int64) (*fencedScope, error) {
	if err := (FencingToken{Scope: scope, Fence: fence}).check(); err != nil {
		return nil, err
	}
	s, kept, err := g.raise(scope, fence)
	if err != nil || kept {
		return s, err
	}
	if g.keeper != nil {
		if err := g.keeper.keep(ctx, scope, fence); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.kept = max(s.kept, fence)
	return s, nil
}

func (g *FenceGuard) raise(scope string, fence int64) (s *fencedScope, kept bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s = g.scopes[scope]
	switch {
	case s == nil && len(g.scopes) >= MaxFencedScopes:
		return nil, false, fmt.Errorf("%w: %s is one more than %d (allowed: that many per guard)", ErrTooManyScopes, scope, MaxFencedScopes)
	case s == nil:
		s = &fencedScope{raised: make(chan struct{})}
		g.scopes[scope] = s
	case fence < s.seen:
		return nil, false, s.stale(scope, fence)
	}
	if fence > s.seen {
		s.seen = fence
		close(s.raised)
		s.raised = make(chan struct{})
	}
	if w := s.shift; w != nil && w.fence < fence {
		w.cancel(s.stale(scope, w.fence))
	}
	return s, s.kept >= fence, nil
}

func (s *fencedScope) stale(scope string, fence int64) *StaleFenceError {
	return &StaleFenceError{Scope: scope, Fence: fence, Highest: s.seen}
}

// enter joins the shift of a fence, or begins it when the one before is over.
func (g *FenceGuard) enter(ctx context.Context, s *fencedScope, scope string, fence int64) (*shift, error) {
	for {
		g.mu.Lock()
		w, raised := s.shift, s.raised
		switch {
		case fence < s.seen:
			defer g.mu.Unlock()
			return nil, s.stale(scope, fence)
		case w == nil:
			w = &shift{fence: fence, over: make(chan struct{})}
			w.ctx, w.cancel = context.WithCancelCause(context.Background())
			s.shift = w
			fallthrough
		case w.fence == fence:
			w.n++
			g.mu.Unlock()
			return w, nil
		}
		g.mu.Unlock()
		select {
		case <-w.over:
		case <-raised:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: fence %d of %s: %w", ErrFenceBusy, w.fence, scope, context.Cause(ctx))
		}
	}
}

// leave ends one operation; the last ends the shift.
func (g *FenceGuard) leave(s *fencedScope, w *shift) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.n--; w.n > 0 {
		return
	}
	w.cancel(nil)
	close(w.over)
	s.shift = nil
}
