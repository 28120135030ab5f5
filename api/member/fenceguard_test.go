package member_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/api/member"
)

func guard(t testing.TB, store member.FenceStore) *member.FenceGuard {
	t.Helper()
	g, err := member.NewFenceGuard(store)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestFenceGuardAdmit(t *testing.T) {
	t.Parallel()
	g := guard(t, nil)
	for _, step := range []struct {
		scope string
		fence int64
		want  error
	}{
		{"jobs", 7, nil},
		{"jobs", 7, nil},
		{"jobs", 6, &member.StaleFenceError{Scope: "jobs", Fence: 6, Highest: 7}},
		{"shard/demo/3", 2, nil}, // scopes know nothing of each other
		{"jobs", 1 << 41, nil},
		{"jobs", 7, &member.StaleFenceError{Scope: "jobs", Fence: 7, Highest: 1 << 41}},
		{"jobs", 0, member.ErrInvalidFence},
		{"jobs", -1, member.ErrInvalidFence},
		{"", 1, member.ErrInvalidFence},
		{"a b", 1, member.ErrInvalidFence},
		{strings.Repeat("a/", 200) + "a", 1, member.ErrInvalidFence},
	} {
		err := g.Admit(step.scope, step.fence)
		var stale *member.StaleFenceError
		if errors.As(step.want, &stale) {
			var got *member.StaleFenceError
			if !errors.As(err, &got) || *got != *stale {
				t.Errorf("Admit(%q, %d) = %v, want %v", step.scope, step.fence, err, step.want)
			}
		} else if !errors.Is(err, step.want) {
			t.Errorf("Admit(%q, %d) = %v, want %v", step.scope, step.fence, err, step.want)
		}
	}
	if got := g.Highest("jobs"); got != 1<<41 {
		t.Errorf("highest is %d", got)
	}
}

// TestFenceGuardBound: a full guard refuses new scopes and forgets no old one.
func TestFenceGuardBound(t *testing.T) {
	t.Parallel()
	g := guard(t, nil)
	for i := range member.MaxFencedScopes {
		if err := g.Admit(fmt.Sprintf("s%d", i), 5); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Admit("more", 9); !errors.Is(err, member.ErrTooManyScopes) {
		t.Errorf("one more: %v", err)
	}
	var stale *member.StaleFenceError
	if err := g.Admit("s0", 4); !errors.As(err, &stale) {
		t.Errorf("the first scope: %v", err)
	}
	if err := g.Admit("s0", 6); err != nil {
		t.Error(err)
	}
}

// TestFenceGuardDoOrder: an operation in flight is told of a higher fence, and
// the higher one begins when it has returned, however long that takes.
func TestFenceGuardDoOrder(t *testing.T) {
	t.Parallel()
	g := guard(t, nil)
	ctx := bounded(t)
	var trace []string
	begun, told, first := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	release := make(chan struct{})
	go func() {
		first <- g.Do(ctx, "jobs", 1, func(ctx context.Context) error {
			if token, ok := member.TokenOf(ctx); !ok || token != (member.FencingToken{Scope: "jobs", Fence: 1}) {
				t.Errorf("token of the context is %v", token)
			}
			close(begun)
			<-ctx.Done()
			told <- context.Cause(ctx)
			<-release
			trace = append(trace, "old ends") // no lock: the guard orders them
			return nil
		})
	}()
	<-begun
	second := make(chan error, 1)
	go func() {
		second <- g.Do(ctx, "jobs", 2, func(context.Context) error {
			trace = append(trace, "new begins")
			return nil
		})
	}()
	var stale *member.StaleFenceError
	if err := <-told; !errors.As(err, &stale) || stale.Fence != 1 || stale.Highest != 2 {
		t.Fatalf("the old operation was told %v", err)
	}
	// None of the old fence begins, and who does not wait hears why.
	if err := g.Do(ctx, "jobs", 1, func(context.Context) error { t.Error("runs"); return nil }); !errors.As(err, &stale) {
		t.Errorf("another of the old fence: %v", err)
	}
	if err := g.Admit("jobs", 2); !errors.Is(err, member.ErrFenceBusy) {
		t.Errorf("Admit while the old one runs: %v", err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := g.Do(short, "jobs", 2, func(context.Context) error { return nil }); !errors.Is(err, member.ErrFenceBusy) || !errors.Is(err, context.Canceled) {
		t.Errorf("Do that may not wait: %v", err)
	}
	close(release)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(trace, ", "); got != "old ends, new begins" {
		t.Errorf("trace: %s", got)
	}
}

// TestFenceGuardOvertaken: who waits, for a lower fence or for the disk, hears at
// once that a higher one has come, and does not run.
func TestFenceGuardOvertaken(t *testing.T) {
	t.Parallel()
	never := func(context.Context) error { t.Error("runs"); return nil }
	var stale *member.StaleFenceError

	g := guard(t, nil)
	begun, finish, results := make(chan struct{}), make(chan struct{}), make(chan error, 3)
	go func() {
		results <- g.Do(bounded(t), "jobs", 1, func(context.Context) error { close(begun); <-finish; return nil })
	}()
	<-begun
	second := make(chan error, 1)
	go func() { second <- g.Do(bounded(t), "jobs", 2, never) }()
	awaitTrue(t, "2 is presented", func() bool { return g.Highest("jobs") == 2 })
	go func() { results <- g.Do(bounded(t), "jobs", 3, func(context.Context) error { return nil }) }()
	if err := <-second; !errors.As(err, &stale) || stale.Highest != 3 {
		t.Errorf("overtaken while 1 runs: %v", err)
	}
	close(finish)
	if err := errors.Join(<-results, <-results); err != nil {
		t.Error(err)
	}

	store := &gatedStore{saves: make(chan map[string]int64, 8), gate: make(chan error, 8)}
	g = guard(t, store)
	go func() { second <- g.Do(bounded(t), "jobs", 1, never) }()
	<-store.saves
	go func() { results <- g.Admit("jobs", 2) }()
	awaitTrue(t, "2 is presented", func() bool { return g.Highest("jobs") == 2 })
	close(store.gate)
	if err := <-second; !errors.As(err, &stale) || stale.Highest != 2 {
		t.Errorf("overtaken while it is kept: %v", err)
	}
	if err := <-results; err != nil {
		t.Error(err)
	}
}

// TestFenceGuardPanic: an operation that panics is over.
func TestFenceGuardPanic(t *testing.T) {
	t.Parallel()
	g := guard(t, nil)
	func() {
		defer func() { _ = recover() }()
		_ = g.Do(bounded(t), "jobs", 1, func(context.Context) error { panic("by design") })
	}()
	if err := g.Do(bounded(t), "jobs", 2, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestFenceGuardProperty: whatever comes at once, an operation never runs beside
// one of another fence, and fences of operations that ran never fall (L3).
func TestFenceGuardProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		g := guard(t, nil)
		fences := rapid.SliceOfN(rapid.Int64Range(1, 6), 1, 40).Draw(rt, "fences")
		var running sync.Map
		var last atomic.Int64
		var wg sync.WaitGroup
		for i, fence := range fences {
			wg.Go(func() {
				err := g.Do(context.Background(), "jobs", fence, func(context.Context) error {
					running.Store(i, fence)
					defer running.Delete(i)
					running.Range(func(_, other any) bool {
						if other != fence {
							rt.Errorf("fence %d runs beside %d", fence, other)
						}
						return true
					})
					runtime.Gosched()
					if before := last.Swap(fence); before > fence {
						rt.Errorf("fence %d ran after %d", fence, before)
					}
					return nil
				})
				var stale *member.StaleFenceError
				if err != nil && !errors.As(err, &stale) {
					rt.Errorf("fence %d: %v", fence, err)
				}
			})
		}
		wg.Wait()
	})
}

// gatedStore is a store whose saves wait and may fail.
type gatedStore struct {
	saves chan map[string]int64
	gate  chan error
}

func (s *gatedStore) Load() (map[string]int64, error) { return map[string]int64{"old": 9}, nil }

func (s *gatedStore) Save(fences map[string]int64) error {
	s.saves <- fences
	return <-s.gate
}

// TestFenceGuardKeepsFirst: no operation before its fence is kept, none when it
// cannot be, and a fence that was refused for that still shuts lower ones out.
// What comes during a save is saved together.
func TestFenceGuardKeepsFirst(t *testing.T) {
	t.Parallel()
	store := &gatedStore{saves: make(chan map[string]int64, 8), gate: make(chan error, 8)}
	g := guard(t, store)
	var stale *member.StaleFenceError
	if err := g.Admit("old", 8); !errors.As(err, &stale) {
		t.Fatalf("a fence below the kept one: %v", err)
	}
	if err := g.Admit("old", 9); err != nil { // kept already
		t.Fatal(err)
	}
	full := errors.New("disk full")
	store.gate <- full
	if err := g.Admit("jobs", 5); !errors.Is(err, member.ErrFenceNotKept) || !errors.Is(err, full) {
		t.Fatalf("with a full disk: %v", err)
	}
	<-store.saves
	if err := g.Admit("jobs", 4); !errors.As(err, &stale) {
		t.Fatalf("below a fence that was not kept: %v", err)
	}

	first := make(chan error, 1)
	go func() { first <- g.Admit("jobs", 5) }()
	if got := <-store.saves; got["jobs"] != 5 {
		t.Fatalf("saves %v", got)
	}
	// These come while the first is being saved.
	const more = 20
	others := make(chan error, more)
	for i := range more {
		go func() { others <- g.Admit(fmt.Sprintf("s%d", i), 3) }()
	}
	awaitTrue(t, "all are presented", func() bool {
		for i := range more {
			if g.Highest(fmt.Sprintf("s%d", i)) == 0 {
				return false
			}
		}
		return true
	})
	select {
	case err := <-first:
		t.Fatalf("admitted before it was kept (%v)", err)
	default:
	}
	close(store.gate)
	saves := 0
	for range more {
		if err := <-others; err != nil {
			t.Fatal(err)
		}
	}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for len(store.saves) > 0 {
		<-store.saves
		saves++
	}
	// Those that had been presented and not yet joined make a second save.
	if saves > 4 {
		t.Errorf("%d saves for %d fences at once", saves, more)
	}
}

func awaitTrue(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestOwnershipToken: a shard's scope is the one that leaders of shards have.
func TestOwnershipToken(t *testing.T) {
	t.Parallel()
	got := member.Ownership{Namespace: "demo", Shard: 5, Fence: 9}.Token()
	if want := (member.FencingToken{Scope: "shard/demo/5", Fence: 9}); got != want {
		t.Errorf("token %v, want %v", got, want)
	}
	if err := guard(t, nil).Admit(got.Scope, got.Fence); err != nil {
		t.Error(err)
	}
}
