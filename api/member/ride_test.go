package member

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestRide: a hard one ends at its time, by the guard, and lives no more; a soft one
// only becomes stale; each is renewed by its own session alone.
func TestRide(t *testing.T) {
	now := int64(0)
	l := newLease(func() int64 { return now })
	const second = int64(time.Second)
	hard := l.ride(t.Context(), 10, 40*second, 35*second, true)
	soft := l.ride(t.Context(), 10, 40*second, 35*second, false)
	if again := l.ride(t.Context(), 10, 40*second, 35*second, true); again.at != hard.at {
		t.Error("ownerships of one session and time have two ends")
	}
	o := func(u until) Ownership { return Ownership{grip: newGrip(t.Context(), func() int64 { return now }, u)} }
	ridden, fenced := o(hard), o(soft)
	want := func(check error, stale bool) {
		t.Helper()
		if err := ridden.Check(); !errors.Is(err, check) || ridden.Stale() {
			t.Errorf("at %s: %v, stale %t; want %v, false", time.Duration(now), err, ridden.Stale(), check)
		}
		if err := fenced.Check(); err != nil || fenced.Stale() != stale {
			t.Errorf("at %s: fenced %v, stale %t; want stale %t", time.Duration(now), err, fenced.Stale(), stale)
		}
	}
	now = 10 * second
	if !l.prolong(10, 8*second, 8*time.Second) || !l.prolong(11, 10*second, 8*time.Second) {
		t.Error("nothing has ended")
	}
	now = 43*second - 1 // 8 + 40 - 5
	want(nil, false)
	if left := l.expire(); left != 1 {
		t.Errorf("the next end is in %s", left)
	}
	now++
	want(ErrLeaseEnded, true) // before anybody has looked
	if l.prolong(10, 42*second, 8*time.Second) {
		t.Error("an answer that came too late renews it")
	}
	if ridden.Permit().Err() == nil || !errors.Is(context.Cause(ridden.Context()), ErrLeaseEnded) {
		t.Errorf("its context ends with %v", context.Cause(ridden.Context()))
	}
	want(ErrLeaseEnded, false) // the answer makes the other fresh again
	next := l.ride(t.Context(), 10, 40*second, 77*second, true)
	if next.at == hard.at || o(next).Check() != nil {
		t.Error("what begins after the end has no time of its own")
	}
	l.ride(t.Context(), 11, 40*second, 90*second, false)
	if len(l.rides) != 2 {
		t.Errorf("%d rides are kept, want the hard one of session 10 and the soft one of 11", len(l.rides))
	}
	l.stop()
	if err := context.Cause(next.ctx); !errors.Is(err, ErrStopped) {
		t.Errorf("after the stop: %v", err)
	}
}

// TestReboundMayFinish: an owner that is bound anew may act until its callback has
// returned.
func TestReboundMayFinish(t *testing.T) {
	now := int64(0)
	l := newLease(func() int64 { return now })
	g := newGrip(t.Context(), func() int64 { return now }, l.ride(t.Context(), 10, 0, 100, false))
	o := Ownership{grip: g}
	spawn := func(func()) { t.Error("nothing is in flight, and something is waited for") }
	g.apply(EndRebound, spawn)
	if !errors.Is(context.Cause(o.Context()), ErrRebound) || o.Permit().Err() != nil || o.Check() != nil {
		t.Errorf("told %v, may %v, %v", context.Cause(o.Context()), o.Permit().Err(), o.Check())
	}
	g.apply(EndReassigned, spawn)
	if o.Permit().Err() == nil || o.Check() == nil {
		t.Error("another has it, and it may act on")
	}
}
