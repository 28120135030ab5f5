package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
)

// Transport is how servers ask each other.
type Transport interface {
	// Ask sends a request to a server by its name and returns its answer, or an
	// error at the latest when ctx ends. [ErrUnreachable] means that nobody
	// received the request; any other error says nothing of that.
	Ask(ctx context.Context, server string, request []byte) ([]byte, error)
}

var (
	// ErrUnreachable: no server of that name is there. Nothing was received.
	ErrUnreachable = errors.New("unreachable: no server of that name is there")
	// ErrOlderLeader: the control leader's release does not know a command, or a
	// field that is set in it. Nothing was tried.
	ErrOlderLeader = errors.New("older_leader: the release of the control leader does not know all of this command; it was not tried")
)

// Local is the sequencer of this server.
type Local interface {
	commands.Submitter
	Barrier(ctx context.Context) (events.Position, error)
	Status() Status
}

// Timing of forwarding.
const (
	// MaxForwardWait is how long a forwarded command waits at most, also of a
	// caller without a deadline.
	MaxForwardWait = 30 * time.Second
	// NoLeaderWait is how long a command waits while no leader is known: as long as
	// a leader needs to hand over. What takes longer, the caller tries again, at
	// another server if it likes.
	NoLeaderWait = 250 * time.Millisecond
	// ChangeGrace is how long a former leader may still answer what it was asked.
	ChangeGrace = 250 * time.Millisecond

	// answerGrace is what an answer may take on its way back.
	answerGrace = 500 * time.Millisecond
	// lookEvery is how often the leader is looked at while something waits for it.
	lookEvery = 10 * time.Millisecond
)

// Bounds of forwarding.
const (
	// window is how many batches are under way to one leader. With one, who comes
	// while it travels waits for two journeys; with many, batches are small.
	window = 3
	// maxBatches bounds the batches under way to all leaders of the recent past.
	maxBatches = 4 * window
	// maxServing bounds the batches that a leader works on: more servers than a
	// cluster has, with all their windows.
	maxServing = 64
	// maxQueueBytes bounds the commands that wait, ownQueueBytes this server's own.
	maxQueueBytes = 64 << 20
	ownQueueBytes = 16 << 20
)

// ForwardOptions of a Forwarder.
type ForwardOptions struct {
	// Server is this server's name: what "node/<Server>" asks for has room of its
	// own in the queue.
	Server    string
	Local     Local
	Transport Transport
	// Leader is the control leader as far as this server knows.
	Leader func() (server string, known bool)
	Logger *slog.Logger
	// Metrics may be nil.
	Metrics *ForwardMetrics
	// OnRefused is called for a command that is rejected here and not by the
	// leader, by the goroutine of its caller (A6). May be nil.
	OnRefused func(Refusal)
	// MaxQueue bounds the commands that wait; 0 means DefaultMaxQueue. This
	// server's own have OwnQueue beside it.
	MaxQueue int
}

// Forwarder takes the commands of this server to whoever leads: to Local while
// this server does, else in batches to another.
//
// The simple story: requests queue; a batch takes all that are there and goes; who
// comes while the window is full is in the next one. So a single caller waits for
// nothing, and many share a message. A request is in one batch at most: what was
// sent is never sent again by itself.
type Forwarder struct {
	opts    ForwardOptions
	wire    wire
	queue   *forwardQueue
	serving chan struct{}
}

// NewForwarder returns a forwarder. Call Run.
func NewForwarder(opts ForwardOptions) (*Forwarder, error) {
	w, err := newWire()
	if err != nil {
		return nil, err
	}
	if opts.MaxQueue == 0 {
		opts.MaxQueue = DefaultMaxQueue
	}
	if opts.Metrics == nil {
		opts.Metrics = NewForwardMetrics(nil)
	}
	return &Forwarder{
		opts: opts, wire: w, queue: newForwardQueue(opts.MaxQueue, opts.Metrics),
		serving: make(chan struct{}, maxServing),
	}, nil
}

// The forwarder is what the API submits to on every server.
var _ commands.Submitter = (*Forwarder)(nil)

// Submit implements commands.Submitter. Errors are those of [Sequencer.Submit],
// and [ErrOlderLeader].
func (f *Forwarder) Submit(ctx context.Context, r commands.Request) (receipt commands.Receipt, err error) {
	if f.opts.Local.Status().Leading {
		return f.opts.Local.Submit(ctx, r)
	}
	f.forward(ctx, []commands.Request{r}, func(_ int, got commands.Receipt, failed error) { receipt, err = got, failed })
	return receipt, err
}

// SubmitAll implements commands.Submitter.
func (f *Forwarder) SubmitAll(ctx context.Context, rs []commands.Request, answer func(i int, r commands.Receipt, err error)) {
	if f.opts.Local.Status().Leading {
		f.opts.Local.SubmitAll(ctx, rs, answer)
		return
	}
	f.forward(ctx, rs, answer)
}

// Barrier returns a position that was the head at some moment after the call.
// Those who ask at one time share one question. An error says that there is none
// now; nothing was done that could be repeated.
func (f *Forwarder) Barrier(ctx context.Context) (at events.Position, err error) {
	if f.opts.Local.Status().Leading {
		return f.opts.Local.Barrier(ctx)
	}
	parcels := newParcels(1)
	parcels[0].barrier = true
	f.await(ctx, parcels, func(_ int, r commands.Receipt, failed error) { at, err = r.Position, failed })
	return at, err
}

// forward encodes requests and waits until all are answered.
func (f *Forwarder) forward(ctx context.Context, rs []commands.Request, answer func(i int, r commands.Receipt, err error)) {
	counted := func(i int, r commands.Receipt, err error) {
		f.opts.Metrics.answered(r, err)
		answer(i, r, err)
	}
	parcels := newParcels(len(rs))
	ready := parcels[:0:len(parcels)] // the front part of parcels
	for i := range rs {
		data, err := f.wire.encode(&rs[i])
		if err != nil {
			f.refused(&rs[i], err)
			counted(i, commands.Receipt{}, err)
			continue
		}
		p := &parcels[len(ready)]
		p.request, p.data, p.index, p.own = rs[i], data, i, rs[i].Actor == "node/"+f.opts.Server
		ready = parcels[:len(ready)+1]
	}
	f.await(ctx, ready, counted)
}

func (f *Forwarder) refused(r *commands.Request, err error) {
	var rejected *commands.Rejected
	if f.opts.OnRefused != nil && errors.As(err, &rejected) {
		f.opts.OnRefused(Refusal{Request: r, Rejected: rejected, Time: time.Now().UnixNano()})
	}
}

// await queues parcels and waits until all are answered or ctx has ended.
func (f *Forwarder) await(ctx context.Context, parcels []parcel, answer func(i int, r commands.Receipt, err error)) {
	if len(parcels) == 0 {
		return
	}
	deadline, _ := ctx.Deadline()
	now := time.Now()
	for i := range parcels {
		parcels[i].since, parcels[i].deadline = now, deadline
	}
	answers := parcels[0].answers
	f.queue.push(parcels)
	for left := len(parcels); left > 0; {
		select {
		case a := <-answers:
			left--
			answer(a.parcel.index, a.receipt, a.err)
		case <-ctx.Done():
			f.queue.giveUp(parcels, context.Cause(ctx))
			for ; left > 0; left-- { // giveUp has answered what was not
				a := <-answers
				answer(a.parcel.index, a.receipt, a.err)
			}
		}
	}
}

func untried(cause error) error { return fmt.Errorf("command was not tried: %w", cause) }
