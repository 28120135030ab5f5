package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// answers of a SubmitAll, by index.
type answers struct {
	receipts []commands.Receipt
	errs     []error
	times    []int // how often each was answered
}

func submitAll(ctx context.Context, s shell, rs []commands.Request) *answers {
	a := &answers{make([]commands.Receipt, len(rs)), make([]error, len(rs)), make([]int, len(rs))}
	s.SubmitAll(ctx, rs, func(i int, r commands.Receipt, err error) {
		a.receipts[i], a.errs[i] = r, err
		a.times[i]++
	})
	return a
}

// once wants every request to be answered exactly once.
func (a *answers) once(t *testing.T) {
	t.Helper()
	for i, n := range a.times {
		if n != 1 {
			t.Errorf("request %d was answered %d times", i, n)
		}
	}
}

func labels(n int) []commands.Request {
	rs := make([]commands.Request, n)
	for i := range rs {
		rs[i] = label(fmt.Sprint(i))
	}
	return rs
}

// TestSubmitAll: each request of a batch gets its own answer, under its own
// index, and they are stored in their order and together.
func TestSubmitAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memlog.New(nil)
		opts := options(l, memlog.NewRegister(nil))
		full := false
		opts.Full = func() bool { return full }
		s := running(opts)
		before := markOf(t, l)

		rs := labels(5)
		rs[1].Actor = "" // C4: rejected
		rs[3].DryRun = true
		a := submitAll(t.Context(), s, rs)
		a.once(t)
		var rejected *commands.Rejected
		if !errors.As(a.errs[1], &rejected) || rejected.Reason != "actor_missing" {
			t.Errorf("without an actor: %v", a.errs[1])
		}
		if !a.receipts[3].DryRun || a.errs[3] != nil {
			t.Errorf("the dry run: %+v, %v", a.receipts[3], a.errs[3])
		}
		for n, i := range []int{0, 2, 4} {
			want := before.Position + 1 + events.Position(n)
			if a.errs[i] != nil || a.receipts[i].Position != want {
				t.Errorf("request %d: position %d, %v, want position %d", i, a.receipts[i].Position, a.errs[i], want)
			}
		}
		if after := markOf(t, l); after.Sequence != before.Sequence+1 {
			t.Errorf("%d frames for one batch", after.Sequence-before.Sequence)
		}

		full = true
		rs = labels(3)
		rs[1] = label("own")
		rs[1].Actor = "node/s1"
		a = submitAll(t.Context(), s, rs)
		a.once(t)
		if !errors.Is(a.errs[0], store.ErrLogFull) || a.errs[1] != nil || !errors.Is(a.errs[2], store.ErrLogFull) {
			t.Errorf("on a full log: %v", a.errs)
		}
		submitAll(t.Context(), s, nil).once(t)
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestSubmitAllGivesUp: of a batch that is more than a frame holds, those in
// flight have an open outcome when the caller gives up; the others were not
// tried, and never are.
func TestSubmitAllGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &slowLog{Log: memlog.New(nil)}
		s := running(options(l, memlog.NewRegister(nil)))
		before := markOf(t, l.Log)
		l.gate = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		given := make(chan *answers)
		go func() { given <- submitAll(ctx, s, labels(events.MaxFrameEvents+10)) }()
		waitTimer(5 * time.Millisecond)
		cancel()
		a := <-given
		a.once(t)
		open, untried := 0, 0
		for i, err := range a.errs {
			switch {
			case errors.Is(err, sequencer.ErrOutcomeUnknown) && untried == 0:
				open++
			case errors.Is(err, context.Canceled):
				untried++
			default:
				t.Fatalf("request %d: %v", i, err)
			}
		}
		close(l.gate)
		at, err := s.Barrier(t.Context())
		if err != nil || open == 0 || untried == 0 || at != before.Position+events.Position(open) {
			t.Errorf("%d open and %d untried; the log went from %d to %d, %v", open, untried, before.Position, at, err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestSubmitAllPartlyOverloaded: what finds no room in the queue is refused by
// itself; the rest of the batch is done.
func TestSubmitAllPartlyOverloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options(memlog.New(nil), memlog.NewRegister(nil))
		opts.MaxQueue = 3
		s := running(opts)
		a := submitAll(t.Context(), s, labels(5))
		a.once(t)
		for i, err := range a.errs {
			if overloaded := errors.Is(err, sequencer.ErrOverloaded); overloaded != (i >= 3) || !overloaded && err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		a = submitAll(t.Context(), s, labels(2))
		a.once(t)
		if !errors.Is(a.errs[0], sequencer.ErrNotLeader) {
			t.Errorf("after the stop: %v", a.errs[0])
		}
	})
}

// TestFrameOfLittleWork: decisions that are small in bytes and change very many
// shards do not share a frame: deciding them all would outlast authority.
func TestFrameOfLittleWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memlog.New(nil)
		s := running(options(l, memlog.NewRegister(nil)))
		const shards = events.MaxShards * 2 / 5 // two fit, three do not
		create := commands.Request{Actor: "user/a", Command: shard.Create{Namespace: "large", Spec: shard.Spec{ShardCount: shards}}}
		if _, err := s.Submit(t.Context(), create); err != nil {
			t.Fatal(err)
		}
		before := markOf(t, l)
		rs := labels(10)
		for i := range 5 {
			hint := float64(i + 1)
			rs[2*i] = commands.Request{Actor: "user/a", Command: shard.Update{Namespace: "large", CapacityHint: &hint}}
		}
		a := submitAll(t.Context(), s, rs)
		a.once(t)
		for i, err := range a.errs {
			if want := before.Position + 1 + events.Position(i); err != nil || a.receipts[i].Position != want {
				t.Errorf("request %d: position %d, %v, want position %d", i, a.receipts[i].Position, err, want)
			}
		}
		if frames := markOf(t, l).Sequence - before.Sequence; frames != 3 {
			t.Errorf("%d frames, want 3", frames)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestOwnCommandsUnderLoad: a queue that others fill has room for this server's
// own commands; a close that was refused would give a dead session another TTL,
// as often as that happens.
func TestOwnCommandsUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &slowLog{Log: memlog.New(nil)}
		opts := options(l, memlog.NewRegister(nil))
		opts.MaxQueue = 3
		s := running(opts)
		l.gate = make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { submitAll(t.Context(), s, labels(1)) })
		waitTimer(5 * time.Millisecond) // it is in flight
		all.Go(func() { submitAll(t.Context(), s, labels(3)) })
		waitTimer(5 * time.Millisecond) // the queue is full
		if _, err := s.Submit(t.Context(), label("one more")); !errors.Is(err, sequencer.ErrOverloaded) {
			t.Errorf("another's: %v", err)
		}
		own := labels(sequencer.OwnQueue + 1)
		for i := range own {
			own[i].Actor = "node/s1"
		}
		var a *answers
		all.Go(func() { a = submitAll(t.Context(), s, own) })
		waitTimer(5 * time.Millisecond)
		close(l.gate)
		all.Wait()
		a.once(t)
		for i, err := range a.errs {
			if overloaded := errors.Is(err, sequencer.ErrOverloaded); overloaded != (i >= sequencer.OwnQueue) || !overloaded && err != nil {
				t.Errorf("its own, number %d: %v", i, err)
			}
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestOwnCommandsWaitForRoom: where even the way to the queue is full, they wait,
// until their caller gives up or Run has ended; in both cases nothing was tried.
func TestOwnCommandsWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sequencer.New(options(memlog.New(nil), memlog.NewRegister(nil)), sequencer.View{})
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 4096 { // nobody takes them: it does not run yet
			_, _ = s.Submit(ended, label("v"))
		}
		own := label("own")
		own.Actor = "node/s1"
		if _, err := s.Submit(ended, own); !errors.Is(err, context.Canceled) || errors.Is(err, sequencer.ErrOutcomeUnknown) {
			t.Errorf("when its caller gives up: %v", err)
		}
		var err error
		var all sync.WaitGroup
		all.Go(func() { _, err = s.Submit(t.Context(), own) })
		synctest.Wait()
		if runErr := s.Run(ended); runErr != nil && !errors.Is(runErr, context.Canceled) {
			t.Error(runErr)
		}
		all.Wait()
		if !errors.Is(err, sequencer.ErrNotLeader) {
			t.Errorf("when Run has ended: %v", err)
		}
	})
}
