package client

import (
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
)

// flight is the calls that wait for answers on one stream. The sender adds,
// the receiver and leaving callers take away, all under the lock, which nobody
// holds while sending or receiving.
type flight[Q, R any] struct {
	// slots holds one token per message that is not answered in full.
	slots    chan struct{}
	answered atomic.Bool

	// freed has a value after a message was answered in full.
	freed chan struct{}

	mu      sync.Mutex
	waiting map[uint64]waiting[Q, R]
	// trip is how long a message took to be answered, smoothed.
	trip time.Duration
	// progress is when the stream last did something: an answer came, or the
	// first call was sent when none waited.
	progress time.Time
}

type waiting[Q, R any] struct {
	entry *entry[Q, R]
	in    *share
}

// share is what is not answered of one message.
type share struct {
	left int
	sent time.Time
}

func newFlight[Q, R any]() *flight[Q, R] {
	return &flight[Q, R]{slots: make(chan struct{}, slots), waiting: make(map[uint64]waiting[Q, R], slots*batchMax), freed: make(chan struct{}, 1)}
}

// register gives the entries of a message their ids, dense and rising, and
// leaves out those whose callers have gone. The caller holds a slot, which is
// given back here when nothing is left.
func (f *flight[Q, R]) register(batch []*entry[Q, R], ids *uint64) []*entry[Q, R] {
	f.mu.Lock()
	defer f.mu.Unlock()
	in := &share{sent: time.Now()}
	if len(f.waiting) == 0 {
		f.progress = in.sent
	}
	kept := batch[:0]
	for _, e := range batch {
		// The order matters: leave() first says that it goes and then looks for
		// the flight, so that one of the two sees the other.
		e.flight.Store(f)
		if e.gone.Load() {
			continue
		}
		*ids++
		e.id = *ids
		f.waiting[e.id] = waiting[Q, R]{entry: e, in: in}
		kept = append(kept, e)
	}
	in.left = len(kept)
	if in.left == 0 {
		<-f.slots
	}
	return kept
}

// answer hands an answer to its call; one that nobody waits for is dropped.
func (f *flight[Q, R]) answer(id uint64, res R, err *Error) {
	f.answered.Store(true)
	f.mu.Lock()
	f.progress = time.Now()
	w, ok := f.waiting[id]
	if ok {
		f.remove(id, w)
	}
	f.mu.Unlock()
	if ok {
		w.entry.done <- outcome[R]{res: res, err: err}
	}
}

func (f *flight[Q, R]) drop(e *entry[Q, R]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if w, ok := f.waiting[e.id]; ok && w.entry == e {
		f.remove(e.id, w)
	}
}

// remove is called with the lock.
func (f *flight[Q, R]) remove(id uint64, w waiting[Q, R]) {
	delete(f.waiting, id)
	if w.in.left--; w.in.left > 0 {
		return
	}
	<-f.slots // holds a token for each such message: never waits
	f.trip += (time.Since(w.in.sent) - f.trip) / 4
	select {
	case f.freed <- struct{}{}:
	default:
	}
}

// near is the longest trip of a server whose answers are worth waiting for.
const near = 20 * time.Millisecond

// wants says how many calls a message should have at least to be sent beside
// another one: as many as are on their way. Otherwise callers that ask again as
// soon as they are answered fall into two halves for good, and a server that
// stores together what comes together stores twice as often. A server that is far
// away is not waited for: there the way costs more than the storing.
func (f *flight[Q, R]) wants() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trip > near {
		return 0
	}
	return len(f.waiting)
}

// stalled says that calls wait and nothing has come for limit.
func (f *flight[Q, R]) stalled(limit time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting) > 0 && time.Since(f.progress) >= limit
}

// lose tells every call that waits what became of the stream. A final reason
// is their answer; else they may try again.
func (f *flight[Q, R]) lose(v verdict, reason error) {
	f.mu.Lock()
	lost := f.waiting
	f.waiting = nil
	f.mu.Unlock()
	var err *Error
	if reason != nil {
		err = asError(reason)
	} else {
		err = &Error{Code: connect.CodeUnavailable, Message: "the stream ended"}
	}
	for _, w := range lost {
		own := *err
		w.entry.done <- outcome[R]{err: &own, verdict: v}
	}
}
