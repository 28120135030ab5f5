package storetest

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/omnirelay/omnirelay/store"
)

func followFromStart(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 100, 100)
	for _, from := range []uint64{0, 1} {
		if err := collect(deadline(t), fromOne{b.Log, from}, 1, 100, 100); err != nil {
			t.Fatalf("Follow from %d: %v", from, err)
		}
	}
}

// fromOne follows from a sequence of its own: 0 and 1 both mean the first.
type fromOne struct {
	store.Log
	from uint64
}

func (f fromOne) Follow(ctx context.Context, _ uint64, fn func(store.Message) error) error {
	return f.Log.Follow(ctx, f.from, fn)
}

func followFromMiddle(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 100, 100)
	for _, from := range []uint64{2, 57, 100} {
		if err := collect(deadline(t), b.Log, from, 100, 100); err != nil {
			t.Fatalf("Follow from %d: %v", from, err)
		}
	}
}

func followAtTail(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 10, 100)
	follow(t, b.Log, 11, 20, 100, func() { fill(t, b.Log, 11, 20, 100) })
}

// followBeyondTail waits for a message that is further away than the next.
func followBeyondTail(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 10, 100)
	follow(t, b.Log, 15, 20, 100, func() { fill(t, b.Log, 11, 20, 100) })
}

func followWhilePublishing(t *testing.T, b Backend) {
	const n = 2000
	fill(t, b.Log, 1, 500, 100)
	ctx := deadline(t)
	group, ctx := errgroup.WithContext(ctx)
	for _, from := range []uint64{1, 250, 500, 501, 900} {
		group.Go(func() error { return collect(ctx, b.Log, from, n, 100) })
	}
	fill(t, b.Log, 501, n, 100)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// follow runs a Follow that must see from to last, and publish once the Follow
// has been started.
func follow(t *testing.T, log store.Log, from, last uint64, size int, publish func()) {
	t.Helper()
	ctx := deadline(t)
	done := make(chan error, 1)
	go func() { done <- collect(ctx, log, from, last, size) }()
	publish()
	if err := <-done; err != nil {
		t.Fatalf("Follow from %d: %v", from, err)
	}
}

func followReturnsError(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 10, 100)
	calls := 0
	err := b.Log.Follow(deadline(t), 1, func(m store.Message) error {
		if calls++; m.Sequence == 4 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || calls != 4 {
		t.Fatalf("Follow = %v after %d calls; want the error of fn after 4", err, calls)
	}
}

func followEndsWithContext(t *testing.T, b Backend) {
	fill(t, b.Log, 1, 3, 100)
	ctx, cancel := context.WithCancel(deadline(t))
	err := b.Log.Follow(ctx, 1, func(m store.Message) error {
		if m.Sequence == 3 {
			cancel() // the next message never comes
		}
		return nil
	})
	wantError(t, "Follow at the tail", err, context.Canceled)
	wantError(t, "Follow of an ended context", b.Log.Follow(ctx, 1, func(store.Message) error {
		t.Error("fn was called after the context had ended")
		return nil
	}), context.Canceled)
}

func followManyLarge(t *testing.T, b Backend) {
	const n, size = 100, 256 << 10
	fill(t, b.Log, 1, n, size)
	if err := collect(deadline(t), b.Log, 1, n, size); err != nil {
		t.Fatal(err)
	}
}
