package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff waits longer from round to round.
type backoff struct {
	min, max time.Duration
	round    int
}

// next returns the wait before another round: doubling, half of it jitter,
// never less than the server's hint.
func (b *backoff) next(hint time.Duration) time.Duration {
	d := b.max
	if b.round < 20 && b.min<<b.round < b.max {
		d = b.min << b.round
	}
	b.round++
	d = d/2 + rand.N(d/2+1)
	return max(d, hint)
}

// pause waits for d; false when ctx ends before, at once if it would.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
