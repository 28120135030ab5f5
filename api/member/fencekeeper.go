package member

import (
	"context"
	"fmt"
	"sync"
)

// FenceStore keeps the highest fences of a resource, by scope. Calls come one at
// a time. [FenceFile] is one; a resource that is a database may rather keep them
// there.
type FenceStore interface {
	// Load returns all that was kept.
	Load() (map[string]int64, error)
	// Save keeps these fences beside all others, and returns when they are
	// durable. It never lowers one. After an error each may be kept or not.
	Save(fences map[string]int64) error
}

// fenceKeeper saves fences, those that come during a save together in the next
// one: after a failover a resource may meet a thousand new leaders at once.
type fenceKeeper struct {
	store FenceStore
	turn  chan struct{} // holds one while somebody saves
	mu    sync.Mutex
	next  *fenceBatch // guarded by mu; what waits, nil for nothing
}

// fenceBatch is saved by whichever of those who wait for it gets the turn.
type fenceBatch struct {
	fences map[string]int64
	done   chan struct{}
	err    error // set before done is closed
}

func newFenceKeeper(store FenceStore) *fenceKeeper {
	return &fenceKeeper{store: store, turn: make(chan struct{}, 1)}
}

// keep returns when a fence is durable. Who gives up waiting leaves it for the
// next that comes.
func (k *fenceKeeper) keep(ctx context.Context, scope string, fence int64) error {
	b := k.join(scope, fence)
	select {
	case k.turn <- struct{}{}:
		k.save(b)
		<-k.turn
	case <-b.done:
	case <-ctx.Done():
		return fmt.Errorf("%w: fence %d of %s: %w", ErrFenceNotKept, fence, scope, context.Cause(ctx))
	}
	if b.err != nil {
		return fmt.Errorf("%w: fence %d of %s: %w", ErrFenceNotKept, fence, scope, b.err)
	}
	return nil
}

func (k *fenceKeeper) join(scope string, fence int64) *fenceBatch {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.next == nil {
		k.next = &fenceBatch{fences: map[string]int64{}, done: make(chan struct{})}
	}
	k.next.fences[scope] = max(k.next.fences[scope], fence)
	return k.next
}

// save saves a batch, unless somebody whose turn was before has: one that is not
// the next was saved.
func (k *fenceKeeper) save(b *fenceBatch) {
	k.mu.Lock()
	waits := k.next == b
	if waits {
		k.next = nil
	}
	k.mu.Unlock()
	if waits {
		b.err = k.store.Save(b.fences)
		close(b.done)
	}
}
