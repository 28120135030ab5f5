package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/memlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slowLog takes a millisecond to publish, as a disk does. A publish waits for
// gate, if there is one.
type slowLog struct {
	*memlog.Log
	gate chan struct{}
}

func (l *slowLog) Publish(ctx context.Context, expect uint64, data []byte) error {
	wait := time.NewTimer(time.Millisecond)
	defer wait.Stop()
	<-wait.C
	if l.gate != nil {
		<-l.gate
	}
	return l.Log.Publish(ctx, expect, data)
}

// clock is the time of the bubble, on both clocks.
func clock() sequencer.Now {
	now := time.Now().UnixNano()
	return sequencer.Now{Wall: now, Boot: now}
}

// shell is a sequencer that runs.
type shell struct {
	*sequencer.Sequencer
	stop func() error // ends Run and returns what it returned
}

func options(l store.Log, r store.Register) sequencer.Options {
	return sequencer.Options{
		Config: sequencer.Config{Server: "s1", Incarnation: "first", NewLogID: events.LogID{1}, Introduce: introduce("s1")},
		Log:    l, Register: r, Clock: clock, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// run starts a sequencer in a bubble.
func run(opts sequencer.Options, view sequencer.View) shell {
	s := sequencer.New(opts, view)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return shell{s, func() error { cancel(); return <-ended }}
}

// running is run, and leads when it returns.
func running(opts sequencer.Options) shell {
	s := run(opts, sequencer.View{})
	waitTimer(100 * time.Millisecond) // of the bubble: it leads long before
	return s
}

// waitTimer lets time pass in a bubble.
func waitTimer(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func label(value string) commands.Request {
	return commands.Request{Actor: "user/a", Command: membership.Update{NodeID: "n1", Labels: map[string]string{"n": value}}}
}

// TestRunGroups: many submitters, one frame in flight: every command is stored
// once, at the position of its receipt, in far fewer frames.
func TestRunGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &slowLog{Log: memlog.New(nil)}
		var stored []events.Position
		opts := options(l, memlog.NewRegister(nil))
		opts.OnStored = func(v sequencer.View) { stored = append(stored, v.Mark.Position) }
		s := running(opts)
		const callers, each = 64, 20
		positions := make(chan events.Position, callers*each)
		var all sync.WaitGroup
		for c := range callers {
			all.Go(func() {
				for i := range each {
					receipt, err := s.Submit(t.Context(), label(fmt.Sprintf("%d.%d", c, i)))
					if err != nil {
						t.Errorf("submit: %v", err)
					}
					positions <- receipt.Position
				}
			})
		}
		all.Wait()
		close(positions)
		seen := map[events.Position]bool{}
		for p := range positions {
			seen[p] = true
		}
		at, err := s.Barrier(t.Context())
		mark := markOf(t, l.Log)
		if err != nil || at != mark.Position || len(seen) != callers*each || int(at) != 5+callers*each {
			t.Errorf("barrier %d, %v; %d positions of %d commands; the log ends at %d", at, err, len(seen), callers*each, mark.Position)
		}
		if mark.Sequence > 3*each+2 { // a frame per round and caller would be 1,281
			t.Errorf("%d frames for %d rounds", mark.Sequence, each)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if !slices.IsSorted(stored) || stored[len(stored)-1] != mark.Position {
			t.Errorf("OnStored told of %v", stored)
		}
	})
}

// TestRunCatchesUp: a new process continues what is stored, from nothing and
// from a snapshot.
func TestRunCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		s := running(options(l, reg))
		for i := range 10 {
			if _, err := s.Submit(t.Context(), label(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		half := s.View()
		if _, err := s.Submit(t.Context(), label("last")); err != nil {
			t.Fatal(err)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		for name, view := range map[string]sequencer.View{"from nothing": {}, "from a snapshot": half} {
			opts := options(l, reg)
			opts.Incarnation = name
			s := run(opts, view)
			waitTimer(time.Second)
			receipt, err := s.Submit(t.Context(), label(name))
			if err != nil || receipt.Position != s.View().Mark.Position {
				t.Errorf("%s: %+v, %v", name, receipt, err)
			}
			if got, want := s.View().Mark, markOf(t, l); got != want {
				t.Errorf("%s: the view is at %+v, the log at %+v", name, got, want)
			}
			if err := s.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRunRefusesLog: a log that contradicts itself, or that ends before what
// was known of it, is not continued.
func TestRunRefusesLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		s := running(options(l, reg))
		for i := range 3 {
			_, _ = s.Submit(t.Context(), label(fmt.Sprint(i)))
		}
		view := s.View()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		last := l.Messages(1, 100)
		data := last[2].Data
		if err := l.Corrupt(3, len(data)/2); err != nil {
			t.Fatal(err)
		}
		var broken *events.ChainError
		if err := running(options(l, reg)).stop(); !errors.As(err, &broken) || broken.Position == 0 {
			t.Errorf("over a corrupt log Run returned %v", err)
		}
		l.Truncate(2)
		s = run(options(l, reg), view)
		waitTimer(100 * time.Millisecond)
		if err := s.stop(); !errors.Is(err, store.ErrLogTruncated) {
			t.Errorf("over a truncated log Run returned %v", err)
		}
		if n := len(l.Messages(1, 100)); n != 2 {
			t.Errorf("the log has %d messages; nothing may be written", n)
		}
	})
}

// TestRunUnknownEvent: a server of an older release leaves the log alone, follows
// what a newer one stores, and ends only when it is asked to (T6).
func TestRunUnknownEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		if err := running(options(l, reg)).stop(); err != nil {
			t.Fatal(err)
		}
		newer := &rival{rig: &rig{t: t, log: l}}
		newer.append(futureEvent(t))
		before := markOf(t, l)
		opts := options(l, reg)
		var stored []events.Position
		opts.OnStored = func(v sequencer.View) { stored = append(stored, v.Mark.Position) }
		s := run(opts, sequencer.View{})
		waitTimer(time.Second)
		if s.Status().Leading {
			t.Error("it leads over an event that it does not know")
		}
		if after := markOf(t, l); after != before {
			t.Errorf("the log grew from %+v to %+v", before, after)
		}
		newer.append(futureEvent(t))
		newer.append(futureEvent(t))
		waitTimer(time.Second)
		if got, want := s.View().Mark, markOf(t, l); got != want || len(stored) == 0 || stored[len(stored)-1] != want.Position {
			t.Errorf("the view is at %+v, the log at %+v; OnStored told of %v", got, want, stored)
		}
		if _, err := s.Submit(t.Context(), label("v")); !errors.Is(err, sequencer.ErrNotLeader) {
			t.Errorf("a command is answered with %v", err)
		}
		if _, err := s.Barrier(t.Context()); !errors.Is(err, sequencer.ErrNotLeader) {
			t.Errorf("a barrier is answered with %v", err)
		}
		if err := s.stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestRunFollowsToDamage: a server that only follows takes itself out at what it
// cannot read (V3).
func TestRunFollowsToDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		if err := running(options(l, reg)).stop(); err != nil {
			t.Fatal(err)
		}
		newer := &rival{rig: &rig{t: t, log: l}}
		newer.append(futureEvent(t))
		s := run(options(l, reg), sequencer.View{})
		waitTimer(time.Second)
		last := markOf(t, l).Sequence
		if err := l.Publish(t.Context(), last, []byte("no frame")); err != nil {
			t.Fatal(err)
		}
		waitTimer(time.Second)
		var broken *events.ChainError
		if err := s.stop(); !errors.As(err, &broken) {
			t.Errorf("over what is no frame Run returned %v", err)
		}
	})
}

// TestSubmitGivesUp: who stops waiting is told whether the command may have been
// done, and one that was not tried never is.
func TestSubmitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &slowLog{Log: memlog.New(nil)}
		s := running(options(l, memlog.NewRegister(nil)))
		l.gate = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var tried, queued error
		var all sync.WaitGroup
		all.Go(func() { _, tried = s.Submit(ctx, label("tried")) })
		waitTimer(5 * time.Millisecond) // it is in flight
		all.Go(func() { _, queued = s.Submit(ctx, label("queued")) })
		waitTimer(5 * time.Millisecond)
		cancel()
		all.Wait()
		if !errors.Is(tried, sequencer.ErrOutcomeUnknown) || !errors.Is(tried, context.Canceled) {
			t.Errorf("in flight: %v", tried)
		}
		if errors.Is(queued, sequencer.ErrOutcomeUnknown) || !errors.Is(queued, context.Canceled) {
			t.Errorf("queued: %v", queued)
		}
		close(l.gate)
		at, err := s.Barrier(t.Context())
		if err != nil || at != 6 {
			t.Errorf("the log ends at %d, %v; only the first command may be stored", at, err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestStopResolves: a stop waits for what is in flight, by whatever way its
// outcome is found, and refuses the rest.
func TestStopResolves(t *testing.T) {
	for name, fault := range map[string]memlog.Fault{"acked": memlog.None, "ack lost": memlog.AckLost} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &slowLog{Log: memlog.New(nil)}
				s := running(options(l, memlog.NewRegister(nil)))
				l.gate = make(chan struct{})
				first := true
				l.SetFaults(func(op memlog.Op) memlog.Fault {
					if op.Kind != memlog.KindPublish || !first {
						return memlog.None
					}
					first = false
					return fault
				})
				var tried, queued error
				var all sync.WaitGroup
				all.Go(func() { _, tried = s.Submit(t.Context(), label("tried")) })
				waitTimer(5 * time.Millisecond)
				all.Go(func() { _, queued = s.Submit(t.Context(), label("queued")) })
				waitTimer(5 * time.Millisecond)
				all.Go(func() {
					if err := s.stop(); err != nil {
						t.Error(err)
					}
				})
				waitTimer(time.Millisecond)
				close(l.gate)
				all.Wait()
				if tried != nil || !errors.Is(queued, sequencer.ErrNotLeader) {
					t.Errorf("in flight: %v; queued: %v", tried, queued)
				}
				if mark := markOf(t, l.Log); mark.Position != 6 {
					t.Errorf("the log ends at %d", mark.Position)
				}
				for range 20 { // a stopped sequencer is plain about it, each time
					if _, err := s.Submit(t.Context(), label("late")); !errors.Is(err, sequencer.ErrNotLeader) {
						t.Fatalf("after the end: %v", err)
					}
				}
			})
		})
	}
}

// TestStopUnresolved: a store that never answers does not hold up a stop for
// ever; the outcome is open and is said to be.
func TestStopUnresolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memlog.New(nil)
		s := running(options(l, memlog.NewRegister(nil)))
		l.SetFaults(func(memlog.Op) memlog.Fault { return memlog.Lost })
		var tried error
		var all sync.WaitGroup
		all.Go(func() { _, tried = s.Submit(t.Context(), label("tried")) })
		waitTimer(50 * time.Millisecond)
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		all.Wait()
		if !errors.Is(tried, sequencer.ErrOutcomeUnknown) {
			t.Errorf("in flight: %v", tried)
		}
	})
}

// TestSubmitOverloaded: beyond its bound the shell refuses at once, before
// anything is tried.
func TestSubmitOverloaded(t *testing.T) {
	s := sequencer.New(options(memlog.New(nil), memlog.NewRegister(nil)), sequencer.View{})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 4096 {
		if _, err := s.Submit(ended, label("v")); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if _, err := s.Submit(ended, label("v")); !errors.Is(err, sequencer.ErrOverloaded) {
		t.Errorf("one more: %v", err)
	}
}

// TestSubmitFull: a full log takes only this server's own commands.
func TestSubmitFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options(memlog.New(nil), memlog.NewRegister(nil))
		opts.Full = func() bool { return true }
		s := running(opts)
		if _, err := s.Submit(t.Context(), label("v")); !errors.Is(err, store.ErrLogFull) {
			t.Errorf("a user's: %v", err)
		}
		own := label("v")
		own.Actor = "node/s1"
		if _, err := s.Submit(t.Context(), own); err != nil {
			t.Errorf("its own: %v", err)
		}
		dry := label("w")
		dry.DryRun = true
		if receipt, err := s.Submit(t.Context(), dry); err != nil || !receipt.DryRun {
			t.Errorf("a dry run: %+v, %v", receipt, err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestAuthorityEnds: without its register a leader has authority for a second,
// and gets it back, gained anew, without another grant.
func TestAuthorityEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, reg := memlog.New(nil), memlog.NewRegister(nil)
		s := running(options(l, reg))
		before := s.Status()
		if !s.HasAuthority() || before.AuthorityGained != 1 || before.Term != 5 {
			t.Fatalf("it begins with %+v", before)
		}
		reg.SetFaults(func(memlog.Op) memlog.Fault { return memlog.Lost })
		waitTimer(1100 * time.Millisecond)
		if s.HasAuthority() || !s.Status().Leading {
			t.Errorf("after 1.1 s without the register: %+v", s.Status())
		}
		reg.SetFaults(nil)
		waitTimer(50 * time.Millisecond)
		if after := s.Status(); !s.HasAuthority() || after.AuthorityGained != 2 || after.Term != 5 {
			t.Errorf("with the register again: %+v", after)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestFollowRefusesGap: a message that does not follow the last one stops the
// core, and the position is named (T1).
func TestFollowRefusesGap(t *testing.T) {
	r := newRig(t)
	r.lead()
	r.do([]string{"rival", "stores", "cordon", "n1"})
	r.do([]string{"rival", "stores", "cordon", "n2"})
	third := r.log.Messages(3, 1)[0]
	if err := r.core.Followed(third); !errors.Is(err, store.ErrGap) || r.core.Fatal() == nil || r.core.Leading() {
		t.Errorf("over a gap: %v, fatal %v, leads %t", err, r.core.Fatal(), r.core.Leading())
	}
}
