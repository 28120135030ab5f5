package sequencer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/omnirelay/omnirelay/commands"
)

// batch is parcels that travel together.
type batch struct {
	to       string // a server; empty is this one
	requests []*parcel
	barriers []*parcel
	cancel   context.CancelCauseFunc
	// live counts the parcels that somebody waits for; it belongs to the queue.
	live int
	// lost is since when somebody else leads, zero while nobody does; it belongs
	// to the dispatcher.
	lost time.Time
}

// Why a batch ends without an answer.
var (
	errNoAnswer = errors.New("the control leader did not answer in time")
	errChanged  = errors.New("another server leads now, and the former leader did not answer")
	errStopping = errors.New("this server is stopping")
)

// dispatcher is the goroutine of Run: it alone starts batches.
type dispatcher struct {
	*Forwarder
	out   []*batch
	ended chan *batch // room for all that may be out
}

// Run forwards until ctx ends. Then it refuses what is queued, waits a little for
// what is under way, and returns when all its goroutines have.
func (f *Forwarder) Run(ctx context.Context) error {
	d := &dispatcher{Forwarder: f, ended: make(chan *batch, maxBatches)}
	look := time.NewTimer(0)
	defer look.Stop()
	for {
		d.watch(time.Now())
		if waits := d.dispatch(ctx); waits || len(d.out) > 0 {
			look.Reset(lookEvery)
		} else {
			look.Stop()
		}
		select {
		case <-ctx.Done():
			d.stop()
			return nil
		case b := <-d.ended:
			d.landed(b)
		case <-f.queue.wake:
			// Those who were answered together ask together: let them, and one batch
			// takes them all.
			runtime.Gosched()
		case <-look.C:
		}
	}
}

// leader is where commands go now: the empty name is this server.
func (f *Forwarder) leader() (to string, known bool) {
	if f.opts.Local.Status().Leading {
		return "", true
	}
	to, known = f.opts.Leader()
	// A server that is about to lead does not decide yet.
	return to, known && to != f.opts.Server
}

// dispatch sends what waits, as far as the window lets it; waits is true while
// something is left that no answer will wake us for.
func (d *dispatcher) dispatch(ctx context.Context) (waits bool) {
	for !d.queue.empty() {
		to, known := d.leader()
		if !known {
			d.queue.expire(time.Now().Add(-NoLeaderWait), false)
			return !d.queue.empty()
		}
		if len(d.out) >= maxBatches || d.under(to) >= window {
			return false
		}
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		b := &batch{to: to, cancel: cancel}
		if !d.queue.take(b) {
			cancel(nil)
			return false
		}
		d.opts.Metrics.batch(len(b.requests))
		d.out = append(d.out, b)
		go d.carry(ctx, b)
	}
	return false
}

// under counts the batches that are on their way to a server.
func (d *dispatcher) under(to string) (n int) {
	for _, b := range d.out {
		if b.to == to {
			n++
		}
	}
	return n
}

// watch ends the batches to a former leader: one that died never answers, and
// their callers could long have asked the new one.
func (d *dispatcher) watch(now time.Time) {
	if len(d.out) == 0 {
		return
	}
	to, known := d.leader()
	for _, b := range d.out {
		switch {
		case !known || b.to == to || b.to == "": // this server answers for itself
			b.lost = time.Time{}
		case b.lost.IsZero():
			b.lost = now
		case now.Sub(b.lost) > ChangeGrace:
			b.cancel(errChanged)
		}
	}
}

func (d *dispatcher) landed(b *batch) {
	d.out = slices.DeleteFunc(d.out, func(o *batch) bool { return o == b })
}

// stop ends everything that waits or is under way.
func (d *dispatcher) stop() {
	d.queue.expire(time.Time{}, true)
	end := time.NewTimer(opTimeout)
	defer end.Stop()
	for len(d.out) > 0 {
		select {
		case b := <-d.ended:
			d.landed(b)
		case <-end.C:
			for _, b := range d.out {
				b.cancel(errStopping)
			}
		}
	}
}

// carry takes a batch to its leader and its answers back.
func (d *dispatcher) carry(ctx context.Context, b *batch) {
	defer func() { b.cancel(nil); d.ended <- b }()
	wait := b.wait(time.Now())
	var answers []parcelAnswer
	if b.to == "" {
		ctx, cancel := context.WithTimeout(ctx, wait)
		answers = b.here(ctx, d.opts.Local)
		cancel()
	} else {
		ctx, cancel := context.WithTimeoutCause(ctx, wait+answerGrace, errNoAnswer)
		answers = d.there(ctx, b, wait)
		cancel()
	}
	d.queue.ended(b, answers)
}

// wait is how long the last of its callers waits.
func (b *batch) wait(now time.Time) (longest time.Duration) {
	for _, ps := range [][]*parcel{b.requests, b.barriers} {
		for _, p := range ps {
			if p.deadline.IsZero() {
				return MaxForwardWait
			}
			longest = max(longest, p.deadline.Sub(now))
		}
	}
	return bounded(longest)
}

// each answers all parcels: of requests by their number, of barriers by -1.
func (b *batch) each(answer func(i int) (commands.Receipt, error)) []parcelAnswer {
	out := make([]parcelAnswer, 0, len(b.requests)+len(b.barriers))
	for i, p := range b.requests {
		r, err := answer(i)
		out = append(out, parcelAnswer{p, r, err})
	}
	if len(b.barriers) > 0 {
		r, err := answer(-1)
		for _, p := range b.barriers {
			out = append(out, parcelAnswer{p, r, err})
		}
	}
	return out
}

// here asks this server, which has begun to lead while the batch was queued.
func (b *batch) here(ctx context.Context, local Local) []parcelAnswer {
	rs := make([]commands.Request, len(b.requests))
	for i, p := range b.requests {
		rs[i] = p.request
	}
	receipts, errs := make([]commands.Receipt, len(rs)), make([]error, len(rs))
	at, failed := decideBatch(ctx, local, rs, len(b.barriers) > 0, func(i int, r commands.Receipt, err error) {
		receipts[i], errs[i] = r, err
	})
	return b.each(func(i int) (commands.Receipt, error) {
		if i < 0 {
			return at, failed
		}
		return receipts[i], errs[i]
	})
}

// decideBatch submits requests, and asks for a barrier at the same time.
func decideBatch(ctx context.Context, local Local, rs []commands.Request, barrier bool,
	answer func(i int, r commands.Receipt, err error)) (at commands.Receipt, err error) {
	var asked sync.WaitGroup
	if barrier {
		asked.Go(func() { at.Position, err = local.Barrier(ctx) })
	}
	if len(rs) > 0 {
		local.SubmitAll(ctx, rs, answer)
	}
	asked.Wait()
	return at, err
}

// there asks another server.
func (d *dispatcher) there(ctx context.Context, b *batch, wait time.Duration) []parcelAnswer {
	in := ask{Wait: int64(wait), Barrier: len(b.barriers) > 0, Requests: make([]cbor.RawMessage, len(b.requests))}
	for i, p := range b.requests {
		in.Requests[i] = p.data
	}
	data, err := d.wire.enc.Marshal(in)
	if err != nil {
		return b.fail(fmt.Errorf("encode a batch: %w", err), nil)
	}
	data, err = d.opts.Transport.Ask(ctx, b.to, data)
	switch {
	case errors.Is(err, ErrUnreachable):
		d.opts.Logger.Debug("the control leader is not there", "leader", b.to, "error", err)
		return b.fail(unanswered(b.to, err), nil)
	case err != nil && ctx.Err() != nil:
		return b.fail(nil, context.Cause(ctx))
	case err != nil:
		return b.fail(nil, err)
	}
	var out reply
	if err := d.wire.lenient.Unmarshal(data, &out); err != nil {
		return b.fail(nil, fmt.Errorf("decode the answer: %w", err))
	}
	if out.All == nil && (len(out.Answers) != len(b.requests) || (out.Barrier != nil) != in.Barrier) {
		return b.fail(nil, fmt.Errorf("%d answers to %d requests", len(out.Answers), len(b.requests)))
	}
	return b.answered(out)
}

func (b *batch) answered(out reply) []parcelAnswer {
	return b.each(func(i int) (commands.Receipt, error) {
		a := out.All
		switch {
		case a != nil:
		case i < 0:
			a = out.Barrier
		default:
			a = &out.Answers[i]
		}
		return a.result(b.to)
	})
}

// fail answers all alike: definite is an error that says that nothing was tried,
// cause one that leaves it open. A barrier has no effect that could be open.
func (b *batch) fail(definite, cause error) []parcelAnswer {
	return b.each(func(i int) (commands.Receipt, error) {
		switch {
		case definite != nil:
			return commands.Receipt{}, definite
		case i < 0:
			return commands.Receipt{}, fmt.Errorf("%w (%s: %w)", ErrNotLeader, b.to, cause)
		}
		return commands.Receipt{}, unanswered(b.to, cause)
	})
}
