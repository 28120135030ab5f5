package member

import (
	"sync"
	"time"
)

// inFlightMax is how long work that was begun under an ownership may go on, when
// the ownership is asked to be released, before its context ends.
const inFlightMax = 10 * time.Second

// inFlight counts the work that is being done under an ownership: a release waits
// for it, and lets none begin. Its zero value lets work in.
type inFlight struct {
	mu     sync.Mutex
	n      int
	closed bool
	// idle is closed when it is closed and nothing is in flight.
	idle chan struct{}
	// late ends what takes too long.
	late *time.Timer
}

// enter counts a piece of work; false when none may begin.
func (f *inFlight) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.n++
	return true
}

func (f *inFlight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n--
	if f.closed && f.n == 0 {
		f.end()
	}
}

// close lets nothing in any more, and returns what is closed when nothing is in
// flight. tooLong is called when that takes longer than [inFlightMax].
func (f *inFlight) close(tooLong func()) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed, f.idle = true, make(chan struct{})
		if f.n == 0 {
			f.end()
		} else {
			f.late = time.AfterFunc(inFlightMax, tooLong)
		}
	}
	return f.idle
}

func (f *inFlight) end() {
	if f.late != nil {
		f.late.Stop()
	}
	close(f.idle)
}

// Begin counts a piece of work that only an owner may do, until done is called,
// once: a release lets no other begin, and ends [Ownership.Context], and so the
// callback, only when this one is done. It returns why the work may not begin
// otherwise. What takes longer than 10 s after the release was asked for finds the
// context ended, and the release still waits for it.
func (o Ownership) Begin() (done func(), err error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if !o.grip.flights.enter() {
		return nil, ErrReleased
	}
	return sync.OnceFunc(o.grip.flights.leave), nil
}

// Owned is the ownership of a shard that this node has now.
func (m *Member) Owned(namespace string, shard uint32) (Ownership, bool) {
	o, ok := m.held.get(Ref{Namespace: namespace, Shard: shard})
	return o, ok && o.Check() == nil
}

// holdings are the ownerships that run, and the fences of those that ended last;
// the loop writes, everybody reads.
type holdings struct {
	mu   sync.RWMutex
	of   map[Ref]Ownership
	gone map[Ref]int64
}

// maxGone bounds the fences that are remembered: beyond it all are forgotten, which
// costs only reads that are held.
const maxGone = 65_536

func (h *holdings) get(ref Ref) (Ownership, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	o, ok := h.of[ref]
	return o, ok
}

func (h *holdings) put(o Ownership) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[Ref{Namespace: o.Namespace, Shard: o.Shard}] = o
}

// drop forgets an ownership, unless a later one has taken its place.
func (h *holdings) drop(ref Ref, fence int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of[ref].Fence == fence {
		delete(h.of, ref)
		if len(h.gone) >= maxGone {
			clear(h.gone)
		}
		h.gone[ref] = fence
	}
}

// gave reports whether the ownership of a fence is being released, or has ended.
func (h *holdings) gave(ref Ref, fence int64) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if o, ok := h.of[ref]; ok {
		return o.Fence == fence && o.grip.over.Err() != nil
	}
	return h.gone[ref] == fence
}

// news wakes everybody who waits for a change.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed with the next change.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}
