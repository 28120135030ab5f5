package sequencer

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/commands"
)

// parcel is a request, or a barrier, of somebody who waits for it.
type parcel struct {
	request commands.Request
	data    []byte // the request in its wire form
	barrier bool
	own     bool
	index   int
	since   time.Time
	// deadline of its caller, zero for none.
	deadline time.Time
	// answers is shared by the parcels that were submitted together, and has room
	// for one of each: who answers never waits.
	answers chan parcelAnswer

	// state and batch belong to the queue.
	state parcelState
	batch *batch
}

type parcelAnswer struct {
	parcel  *parcel
	receipt commands.Receipt
	err     error
}

// parcelState moves one way: new, queued, sent, answered; any may be passed over.
type parcelState uint8

const (
	parcelNew parcelState = iota
	parcelQueued
	parcelSent
	parcelAnswered
)

func newParcels(n int) []parcel {
	parcels := make([]parcel, n)
	answers := make(chan parcelAnswer, n)
	for i := range parcels {
		parcels[i].answers = answers
	}
	return parcels
}

// forwardQueue holds the parcels that wait, in their order. Whether a parcel is
// answered is decided here, under one lock, so that each is answered once: by who
// refused it, by its batch, or by its caller who gave up.
//
// Parcels that were submitted together keep their order: when a batch ends amid
// them, the rest waits until that batch is answered, and with it whatever is behind.
type forwardQueue struct {
	metrics *ForwardMetrics
	limits  [2]load // of others, and of this server's own
	wake    chan struct{}

	mu       sync.Mutex
	requests line
	barriers line
	loads    [2]load
	// amid is the batch behind which the rest of its callers' parcels wait.
	amid   *batch
	closed bool
}

// line is parcels in their order, those that were given up included until they
// are most of it.
type line struct {
	parcels []*parcel
	gone    int
}

func (l *line) empty() bool { return len(l.parcels) == l.gone }

// gave counts one that was given up.
func (l *line) gave() {
	l.gone++
	l.sweep()
}

// sweep forgets those that were given up when they are most of the line.
func (l *line) sweep() {
	if l.gone > len(l.parcels)/2 {
		l.parcels = slices.DeleteFunc(l.parcels, func(p *parcel) bool { return p.state != parcelQueued })
		l.gone = 0
	}
}

// drop forgets the first ones, and the array behind them when all are gone.
func (l *line) drop(n int) {
	clear(l.parcels[:n])
	if l.parcels = l.parcels[n:]; len(l.parcels) == 0 {
		l.parcels = nil
	}
	l.sweep()
}

// load is what waits.
type load struct{ requests, bytes int }

func newForwardQueue(maxRequests int, m *ForwardMetrics) *forwardQueue {
	return &forwardQueue{metrics: m, wake: make(chan struct{}, 1), limits: [2]load{
		{maxRequests, maxQueueBytes}, {OwnQueue, ownQueueBytes},
	}}
}

func class(p *parcel) int {
	if p.own {
		return 1
	}
	return 0
}

// push queues parcels, and answers those that find no room or come after the end.
func (q *forwardQueue) push(parcels []parcel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range parcels {
		p := &parcels[i]
		have, limit := &q.loads[class(p)], q.limits[class(p)]
		switch {
		case q.closed:
			q.answer(p, commands.Receipt{}, ErrNotLeader)
			continue
		case have.requests >= limit.requests || have.bytes+len(p.data) > limit.bytes:
			q.answer(p, commands.Receipt{}, ErrOverloaded)
			continue
		}
		q.count(p, 1)
		p.state = parcelQueued
		l := q.lineOf(p)
		l.parcels = append(l.parcels, p)
	}
	q.waken()
}

func (q *forwardQueue) lineOf(p *parcel) *line {
	if p.barrier {
		return &q.barriers
	}
	return &q.requests
}

func (q *forwardQueue) count(p *parcel, by int) {
	have := &q.loads[class(p)]
	have.requests += by
	have.bytes += by * len(p.data)
	q.metrics.queued(q.loads[0].requests + q.loads[1].requests)
}

// answer ends a parcel, once. The lock is held.
func (q *forwardQueue) answer(p *parcel, r commands.Receipt, err error) {
	if p.state == parcelAnswered {
		return
	}
	p.state = parcelAnswered
	p.answers <- parcelAnswer{parcel: p, receipt: r, err: err}
}

func (q *forwardQueue) waken() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// empty reports whether nothing waits.
func (q *forwardQueue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.requests.empty() && q.barriers.empty()
}

// take fills a batch with what waits, up to its bounds. It returns false when
// there is nothing to be sent now.
func (q *forwardQueue) take(b *batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.barriers.parcels {
		if p.state == parcelQueued {
			q.load(b, p)
			b.barriers = append(b.barriers, p)
		}
	}
	q.barriers = line{}
	if q.amid == nil {
		q.takeRequests(b)
	}
	b.live = len(b.barriers) + len(b.requests)
	return b.live > 0
}

func (q *forwardQueue) takeRequests(b *batch) {
	taken, bytes := 0, 0
	for _, p := range q.requests.parcels {
		if p.state != parcelQueued {
			q.requests.gone--
			taken++
			continue
		}
		if n := len(b.requests); n > 0 && (n == maxBatch || bytes+len(p.data) > maxBatchBytes) {
			if p.answers == b.requests[n-1].answers {
				q.amid = b
			}
			break
		}
		taken++
		bytes += len(p.data)
		q.load(b, p)
		b.requests = append(b.requests, p)
	}
	q.requests.drop(taken)
}

func (q *forwardQueue) load(b *batch, p *parcel) {
	q.count(p, -1)
	p.state, p.batch = parcelSent, b
}

// ended answers a batch's parcels and lets what waits behind it go.
func (q *forwardQueue) ended(b *batch, answers []parcelAnswer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range answers {
		q.answer(a.parcel, a.receipt, a.err)
	}
	if q.amid == b {
		q.amid = nil
	}
}

// giveUp answers the parcels of a caller who waits no longer: what is queued is
// never sent, of what was sent nobody here knows. A batch that nobody waits for
// ends.
func (q *forwardQueue) giveUp(parcels []parcel, cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range parcels {
		p := &parcels[i]
		switch {
		case p.state == parcelQueued:
			q.count(p, -1)
			q.answer(p, commands.Receipt{}, untried(cause))
			q.lineOf(p).gave()
		case p.state == parcelSent:
			if p.batch.live--; p.batch.live == 0 {
				p.batch.cancel(cause)
			}
			q.answer(p, commands.Receipt{}, gaveUp(p, cause))
		}
	}
}

func gaveUp(p *parcel, cause error) error {
	if p.barrier { // it has no effect that could be unknown
		return fmt.Errorf("barrier: %w", cause)
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause)
}

// expire answers what has waited since before a moment, or all at the end.
func (q *forwardQueue) expire(before time.Time, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = q.closed || end
	refused := fmt.Errorf("%w, and knows of none for %s", ErrNotLeader, NoLeaderWait)
	if end {
		refused = fmt.Errorf("%w, and is stopping", ErrNotLeader)
	}
	for _, l := range []*line{&q.requests, &q.barriers} {
		n := 0 // they stand in the order of their time, near enough
		for ; n < len(l.parcels) && (end || l.parcels[n].since.Before(before)); n++ {
			p := l.parcels[n]
			if p.state != parcelQueued {
				l.gone--
				continue
			}
			q.count(p, -1)
			q.answer(p, commands.Receipt{}, refused)
		}
		l.drop(n)
	}
}
