package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

func emptyLog(t *testing.T, b Backend) {
	wantLast(t, b.Log, 0)
	for _, sequence := range []uint64{0, 1, 2} {
		_, err := b.Log.Load(deadline(t), sequence)
		wantError(t, fmt.Sprintf("Load(%d) of an empty log", sequence), err, store.ErrNotFound)
	}
}

func publishLoadLast(t *testing.T, b Backend) {
	const n = 50
	fill(t, b.Log, 1, n, 100)
	wantLast(t, b.Log, n)
	for s := uint64(1); s <= n; s++ {
		wantMessage(t, b.Log, s, frame(s, 100))
	}
	_, err := b.Log.Load(deadline(t), n+1)
	wantError(t, "Load beyond the last", err, store.ErrNotFound)
}

func wrongExpectation(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 3, 100)
	for _, expect := range []uint64{0, 2, 4, 1 << 40} {
		err := b.Log.Publish(deadline(t), expect, frame(99, 100))
		wantError(t, fmt.Sprintf("Publish after %d of 3", expect), err, store.ErrWrongSequence)
	}
	wantLast(t, b.Log, 3)
	wantMessage(t, b.Log, 3, frame(3, 100))
}

// republishSameBytes is how a sequencer resolves an unknown outcome.
func republishSameBytes(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 2, 100)
	wantError(t, "publish the same bytes again", b.Log.Publish(deadline(t), 1, frame(2, 100)), store.ErrWrongSequence)
	wantMessage(t, b.Log, 2, frame(2, 100))
	wantLast(t, b.Log, 2)
}

func racingWriters(t *testing.T, b Backend) {
	const rounds = 100
	for r := uint64(0); r < rounds; r++ {
		race(t, b.Log, r, 2)
	}
	wantLast(t, b.Log, rounds)
}

func manyRacingWriters(t *testing.T, b Backend) { race(t, b.Log, 0, 16) }

// race lets writers publish different bytes with one expectation, and checks
// that exactly one is stored and was told so.
func race(t *testing.T, log store.Log, expect uint64, writers int) {
	t.Helper()
	ctx := deadline(t)
	errs := make([]error, writers)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() { errs[w] = log.Publish(ctx, expect, frame(expect*100+uint64(w), 64)) })
	}
	group.Wait()
	winner := -1
	for w, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("writers %d and %d both stored message %d", winner, w, expect+1)
		case err == nil:
			winner = w
		case !errors.Is(err, store.ErrWrongSequence):
			t.Fatalf("writer %d of message %d: %v", w, expect+1, err)
		}
	}
	if winner < 0 {
		t.Fatalf("nobody stored message %d", expect+1)
	}
	wantMessage(t, log, expect+1, frame(expect*100+uint64(winner), 64))
}

func frameLimit(t *testing.T, b Backend) {
	err := b.Log.Publish(deadline(t), 0, make([]byte, events.MaxFrameBytes+1))
	wantError(t, "publish a frame over the limit", err, events.ErrFrameTooLarge)
	wantLast(t, b.Log, 0)
	fill(t, b.Log, 1, 1, events.MaxFrameBytes)
	wantMessage(t, b.Log, 1, frame(1, events.MaxFrameBytes))
}

func cancelled(t *testing.T, b Backend) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "Publish", b.Log.Publish(ctx, 0, frame(1, 64)), context.Canceled)
	_, err := b.Log.Load(ctx, 1)
	wantError(t, "Load", err, context.Canceled)
	_, err = b.Log.Last(ctx)
	wantError(t, "Last", err, context.Canceled)
	wantLast(t, b.Log, 0) // a context that has ended before is not an unknown outcome
}

func reopen(t *testing.T, b Backend) {
	const n = 200
	fill(t, b.Log, 1, n, 300)
	version, err := b.Register.Write(deadline(t), 0, []byte("mine"))
	if err != nil {
		t.Fatalf("Write: %v", err)
	}
	b = b.Reopen(t)
	wantLast(t, b.Log, n)
	if err := collect(deadline(t), b.Log, 1, n, 300); err != nil {
		t.Fatalf("follow after reopening: %v", err)
	}
	fill(t, b.Log, n+1, n+1, 300)
	wantRegister(t, b.Register, version, "mine")
}
