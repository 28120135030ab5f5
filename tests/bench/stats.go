package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// median of figures; 0 of none.
func median(v []float64) float64 { return quantile(v, 0.5) }

// quantile is the figure below or at which the given part lies.
func quantile(v []float64, part float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[min(len(s)-1, int(part*float64(len(s))))]
}

// closed runs callers that each call fn again as soon as it has returned, for a
// while that is not counted and then for the window, and returns the calls per
// second. The first error ends all.
func closed(ctx context.Context, callers int, window time.Duration, fn func(ctx context.Context, caller int) error) (float64, error) {
	if _, err := closedFor(ctx, callers, window/10, fn); err != nil {
		return 0, err
	}
	return closedFor(ctx, callers, window, fn)
}

func closedFor(ctx context.Context, callers int, window time.Duration, fn func(context.Context, int) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var over atomic.Bool
	var done atomic.Int64
	timer := time.AfterFunc(window, func() { over.Store(true) })
	defer timer.Stop()
	began := time.Now()
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			n := int64(0)
			for first := true; (first || !over.Load()) && ctx.Err() == nil; first = false {
				if err := fn(ctx, caller); err != nil {
					cancel(err)
					break
				}
				n++
			}
			done.Add(n)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return float64(done.Load()) / time.Since(began).Seconds(), nil
}

// timed calls fn n times and returns how long each call took, in seconds.
func timed(n int, fn func(i int) error) ([]float64, error) {
	out := make([]float64, n)
	for i := range out {
		began := time.Now()
		if err := fn(i); err != nil {
			return nil, err
		}
		out[i] = time.Since(began).Seconds()
	}
	return out, nil
}

// parallel calls fn for 0 to n-1, some at a time, and returns the first error.
func parallel(ctx context.Context, atOnce, n int, fn func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atOnce, n) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := fn(ctx, int(i)); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
