package client

import (
	"context"
	"sync"
	"time"
)

// batches is the coalescer where bidirectional streams are not to be had:
// HTTP/1.1, or a proxy or server without them. The same queue and slots, and
// a unary call per message. It lasts until run ends: what refuses a stream
// once will refuse it again.
func (co *coalescer[Q, R]) batches(ctx context.Context) error {
	free := make(chan struct{}, slots)
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		var first *entry[Q, R]
		select {
		case first = <-co.queue:
		case <-ctx.Done():
			return ctx.Err()
		}
		f := newFlight[Q, R]()
		f.slots <- struct{}{}
		batch := f.register(co.drain([]*entry[Q, R]{first}), &co.ids)
		calls.Go(func() {
			defer func() { <-free }()
			if len(batch) > 0 {
				co.batch(ctx, f, batch)
			}
		})
	}
}

// batch sends one message. After a failure it keeps its slot for a while, so
// that calls which queue again at once do not spin.
func (co *coalescer[Q, R]) batch(ctx context.Context, f *flight[Q, R], entries []*entry[Q, R]) {
	a := &attempt{endpoint: co.c.endpoints.pick()}
	bctx, cancel := context.WithTimeout(withAttempt(ctx, a), co.c.cfg.AttemptTimeout)
	defer cancel()
	err := co.unary(bctx, entries, f.answer)
	v := unknown
	if err != nil {
		v = judge(ctx, a, err)
	}
	f.lose(v, err) // also those that the answer left out
	if v == final || err == nil {
		return
	}
	co.c.endpoints.failed(a.endpoint)
	waits := backoff{min: co.c.cfg.BackoffMin, max: co.c.cfg.BackoffMax}
	var hint time.Duration
	if e := asError(err); e.RetryAfter > 0 {
		hint = e.RetryAfter
	}
	pause(ctx, waits.next(hint))
}
