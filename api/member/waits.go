package member

import (
	"context"
	"math/rand/v2"
	"time"
)

// waits are pauses that grow, half of each is jitter.
type waits struct {
	min, max time.Duration
	n        int
}

func (w *waits) next() time.Duration {
	d := w.max
	if w.n < 20 && w.min<<w.n < w.max {
		d = w.min << w.n
	}
	w.n++
	return d/2 + rand.N(d/2+1)
}

func (w *waits) reset() { w.n = 0 }

// pause waits; false when ctx ended.
func (w *waits) pause(ctx context.Context) bool {
	timer := time.NewTimer(w.next())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
