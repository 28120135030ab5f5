package client

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
)

// The coalescer turns the calls of many goroutines into few messages.
//
// The simple story: calls wait in a queue. One goroutine, the sender, waits for
// one of two slots, takes what is in the queue, up to 256 calls, and sends it as
// one message; the receiver hands each answer to its call, and when a message
// is answered in full its slot is free. So under load messages grow by
// themselves, while a single caller's call leaves at once: no timer is
// involved, and nothing is added for one caller. The second slot is for a message
// that is at least as large as the one on its way; see [flight.wants].
//
// When the stream is lost, each call on it is told so and queues itself again,
// within its own deadline; the sender opens a stream to the next endpoint. The
// coalescer itself never gives a call a second try: what may be tried again is
// the caller's to know (a command keeps its key, a read just asks).
//
// Bounds: the queue (its callers wait, within their deadlines), slots × 256
// calls in flight. A call whose caller has gone leaves its slot at once, so a
// server that answers nothing holds up nobody for longer than the callers
// chose to wait; and a stream without any answer for AttemptTimeout, with
// calls waiting, counts as lost.

const (
	// slots is the number of messages in flight: one is being answered while
	// the next is on its way.
	slots = 2
	// batchMax is the number of calls in a message.
	batchMax = 256
	// queueMax is the number of calls that wait to be sent; more wait outside.
	queueMax = 4096
)

// entry is one try of one call.
type entry[Q, R any] struct {
	id  uint64
	req Q
	// done holds the outcome; capacity 1, so that the receiver never waits.
	done chan outcome[R]
	// flight is where the entry was sent, nil before.
	flight atomic.Pointer[flight[Q, R]]
	gone   atomic.Bool
}

// outcome is what became of an entry. Without a verdict it is the answer.
type outcome[R any] struct {
	res R
	err *Error
	// verdict is again or unknown when no answer came.
	verdict verdict
	// stopped: Run has returned, and nothing will be sent any more.
	stopped bool
}

// conduit is an open stream.
type conduit[Q, R any] interface {
	send(entries []*entry[Q, R]) error
	// receive hands over one message's answers.
	receive(answer func(id uint64, res R, err *Error)) error
	// close ends the sending side; the receiving side ends with the context.
	close()
}

// coalescer is the shell of a Commander and of a Lookuper.
type coalescer[Q, R any] struct {
	c *Client
	// open opens a stream; unary sends a batch without one.
	open  func(ctx context.Context) conduit[Q, R]
	unary func(ctx context.Context, entries []*entry[Q, R], answer func(id uint64, res R, err *Error)) error

	queue   chan *entry[Q, R]
	stopped chan struct{}
	running atomic.Bool
	ids     uint64
}

func newCoalescer[Q, R any](c *Client) *coalescer[Q, R] {
	return &coalescer[Q, R]{c: c, queue: make(chan *entry[Q, R], queueMax), stopped: make(chan struct{})}
}

var errRunTwice = errors.New("client: Run was called a second time")

// run sends until ctx ends. Calls that wait then are told so.
func (co *coalescer[Q, R]) run(ctx context.Context) error {
	if co.running.Swap(true) {
		return errRunTwice
	}
	defer close(co.stopped)
	if co.c.cfg.Protocol == ProtocolHTTP1 {
		return co.batches(ctx)
	}
	waits := backoff{min: co.c.cfg.BackoffMin, max: co.c.cfg.BackoffMax}
	for {
		var first *entry[Q, R]
		select {
		case <-ctx.Done():
			return ctx.Err()
		case first = <-co.queue:
		}
		a := &attempt{endpoint: co.c.endpoints.pick(), stream: true}
		answered, err := co.stream(ctx, a, first)
		if noStreams(a, err) {
			return co.batches(ctx)
		}
		if answered {
			waits.round = 0
			continue
		}
		var hint time.Duration
		if err != nil {
			hint = asError(err).RetryAfter
		}
		pause(ctx, waits.next(hint))
	}
}

// noStreams: bidirectional streams are not to be had there.
func noStreams(a *attempt, err error) bool {
	return err != nil && (a.http1.Load() || connect.CodeOf(err) == connect.CodeUnimplemented)
}

// do makes one try of a call and waits for its outcome.
func (co *coalescer[Q, R]) do(ctx context.Context, req Q) outcome[R] {
	e := &entry[Q, R]{req: req, done: make(chan outcome[R], 1)}
	select {
	case co.queue <- e:
	case <-ctx.Done():
		return outcome[R]{verdict: again, err: ctxError(ctx)}
	case <-co.stopped:
		return outcome[R]{verdict: again, err: errStopped(), stopped: true}
	}
	select {
	case o := <-e.done:
		return o
	case <-ctx.Done():
		return co.leave(e, ctxError(ctx))
	case <-co.stopped:
		o := co.leave(e, errStopped())
		o.stopped = o.verdict != final
		return o
	}
}

// leave takes a call out of wherever it is.
func (co *coalescer[Q, R]) leave(e *entry[Q, R], err *Error) outcome[R] {
	e.gone.Store(true)
	f := e.flight.Load()
	if f == nil {
		return outcome[R]{verdict: again, err: err}
	}
	f.drop(e)
	select {
	case o := <-e.done: // it came in the same moment
		return o
	default:
		return outcome[R]{verdict: unknown, err: err}
	}
}

func ctxError(ctx context.Context) *Error {
	return &Error{Code: connect.CodeOf(ctx.Err()), Message: ctx.Err().Error(), cause: ctx.Err()}
}

func errStopped() *Error {
	return &Error{Code: connect.CodeCanceled, Message: "the sender has stopped: its Run has returned"}
}

// stream sends over one stream until it is lost or ctx ends. answered says
// that it was good for something.
func (co *coalescer[Q, R]) stream(ctx context.Context, a *attempt, first *entry[Q, R]) (answered bool, err error) {
	sctx, cancel := context.WithCancel(withAttempt(ctx, a))
	defer cancel()
	f := newFlight[Q, R]()
	pipe := co.open(sctx)
	var receiver sync.WaitGroup
	var lost error
	receiver.Go(func() {
		// The stream's first send makes it exist; until then this waits.
		for lost == nil {
			lost = pipe.receive(f.answer)
		}
		cancel()
	})
	co.send(sctx, f, pipe, first)
	cancel()
	// Before the receiver: while the transport reads the request's body, it
	// does not see that the context has ended.
	pipe.close()
	receiver.Wait()
	v := judge(ctx, a, lost)
	if noStreams(a, lost) && !f.answered.Load() {
		v = again // refused before anything was read; the batches will take it
	} else if ctx.Err() == nil && v != final {
		co.c.endpoints.failed(a.endpoint)
	}
	f.lose(v, lost)
	return f.answered.Load(), lost
}

// send is the sender's loop; it ends with sctx.
func (co *coalescer[Q, R]) send(sctx context.Context, f *flight[Q, R], pipe conduit[Q, R], first *entry[Q, R]) {
	watchdog := time.NewTicker(co.c.cfg.AttemptTimeout)
	defer watchdog.Stop()
	batch := make([]*entry[Q, R], 0, batchMax)
	for {
		if first == nil {
			select {
			case f.slots <- struct{}{}:
			case <-watchdog.C:
				if f.stalled(co.c.cfg.AttemptTimeout) {
					return
				}
				continue
			case <-sctx.Done():
				return
			}
			select {
			case first = <-co.queue:
			case <-watchdog.C:
				<-f.slots
				if f.stalled(co.c.cfg.AttemptTimeout) {
					return
				}
				continue
			case <-sctx.Done():
				return
			}
		} else {
			f.slots <- struct{}{} // the first message of a stream: both are free
		}
		batch = co.gather(sctx, f, watchdog.C, co.drain(append(batch[:0], first)))
		first = nil
		batch = f.register(batch, &co.ids)
		if len(batch) > 0 && pipe.send(batch) != nil {
			return // the receiver has the reason
		}
	}
}

// gather waits for more calls while the message is smaller than what is on its way,
// and until that is answered; not for a server that answers nothing, whom the sender
// has to find out.
func (co *coalescer[Q, R]) gather(sctx context.Context, f *flight[Q, R], watchdog <-chan time.Time, batch []*entry[Q, R]) []*entry[Q, R] {
	for len(batch) < batchMax && f.wants() > len(batch) {
		select {
		case e := <-co.queue:
			batch = append(batch, e)
		case <-f.freed:
			batch = co.drain(batch)
		case <-watchdog:
			return batch
		case <-sctx.Done():
			return batch
		}
	}
	return batch
}

// drain adds what waits in the queue.
func (co *coalescer[Q, R]) drain(batch []*entry[Q, R]) []*entry[Q, R] {
	// Callers that were answered a moment ago and are about to ask again come
	// first: it costs one caller nothing, and many get bigger messages.
	runtime.Gosched()
	for len(batch) < batchMax {
		select {
		case e := <-co.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}
