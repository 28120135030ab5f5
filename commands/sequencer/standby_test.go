package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// standby is a server of several that runs.
func standby(l *memlog.Log, r *memlog.Register, name string) shell {
	opts := options(l, r)
	opts.Server, opts.Incarnation, opts.Introduce, opts.Standby = name, name, introduce(name), true
	return run(opts, sequencer.View{})
}

// TestStandby: a standby campaigns when it is told to and not before, and what
// another stores is in its view.
func TestStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		a := standby(l, reg, "s1")
		waitTimer(10 * time.Second)
		if a.Status().Leading {
			t.Error("a standby campaigned by itself")
		}
		b := standby(l, reg, "s2")
		waitTimer(time.Second)
		a.Campaign()
		waitTimer(time.Second)
		if !a.HasAuthority() || b.Status().Campaigning {
			t.Errorf("s1 was told to campaign: %+v and %+v", a.Status(), b.Status())
		}
		if at := b.View().Mark; at != a.View().Mark || at.Position == 0 {
			t.Errorf("the standby is at %+v, the leader at %+v", at, a.View().Mark)
		}
		for _, s := range []shell{a, b} {
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestTermOfRequest: a request that names a control term is tried under that one
// only, also when this server led then and leads now.
func TestTermOfRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		s := standby(l, reg, "s1")
		waitTimer(10 * time.Millisecond)
		s.Campaign()
		waitTimer(time.Second)
		term := s.Status().Term
		for _, c := range []struct {
			term events.Position
			want error
		}{{0, nil}, {term, nil}, {term - 1, sequencer.ErrNotLeader}, {term + 1, sequencer.ErrNotLeader}} {
			r := label(fmt.Sprint(c.term))
			r.Term = c.term
			if _, err := s.Submit(t.Context(), r); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("term %d while %d leads: %v, want %v", c.term, term, err, c.want)
			}
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestLapsedLeaderRefuses: one of several that cannot prove for long that it leads
// refuses what comes, so that it is asked of another; a moment longer than its
// authority it waits for the register to be back.
func TestLapsedLeaderRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		s := standby(l, reg, "s1")
		waitTimer(10 * time.Millisecond)
		s.Campaign()
		waitTimer(time.Second)
		reg.SetFaults(func(memlog.Op) memlog.Fault { return memlog.Lost })
		barrier := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := s.Barrier(ctx)
			return err
		}
		waitTimer(sequencer.AuthorityFor + 100*time.Millisecond)
		if err := barrier(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shortly after its authority: %v, want it to wait", err)
		}
		waitTimer(sequencer.AuthorityFor)
		if err := barrier(); !errors.Is(err, sequencer.ErrNotLeader) {
			t.Errorf("long after its authority: %v, want %v", err, sequencer.ErrNotLeader)
		}
		reg.SetFaults(nil)
		waitTimer(100 * time.Millisecond)
		if err := barrier(); err != nil {
			t.Errorf("with the register again: %v", err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}
