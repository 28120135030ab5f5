package faultproxy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Direction is one of the two of a wire.
type Direction int

const (
	// Up is from who connects to the target.
	Up Direction = iota
	// Down is from the target to who has connected.
	Down
)

// retransmit is what a lost part of a stream costs: Linux's smallest
// retransmission timeout.
const retransmit = 200 * time.Millisecond

// Fault is what happens to one direction. The zero Fault is a healthy wire.
type Fault struct {
	Cut, Hold bool
	// Jitter is added to Delay: anything from nothing to all of it.
	Delay, Jitter time.Duration
	// Loss is a share, from 0 to 1.
	Loss float64
	// Rate is in bytes a second; 0 is no limit.
	Rate int64
}

// late is when something that departs now arrives.
func (f Fault) late() time.Duration {
	d := f.Delay
	if f.Jitter > 0 {
		d += rand.N(f.Jitter)
	}
	return d
}

func (f Fault) loses() bool { return f.Loss > 0 && rand.Float64() < f.Loss }

// Counts are bytes of one direction.
type Counts struct {
	// Carried were handed to the far side, Lost vanished.
	Carried, Lost int64
}

// link is one direction of a proxy, with all its connections.
type link struct {
	carried, lost atomic.Int64

	mu    sync.Mutex
	fault Fault // guarded by mu
	// heals counts the cuts that ended. Guarded by mu.
	heals int
	// free is when the rate lets the next byte depart. Guarded by mu.
	free time.Time
	// changed is closed when the fault changes. Guarded by mu.
	changed chan struct{}
}

func newLink() *link { return &link{changed: make(chan struct{})} }

// condition is a link at one moment.
type condition struct {
	Fault
	heals   int
	changed <-chan struct{}
}

func (l *link) now() condition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return condition{l.fault, l.heals, l.changed}
}

func (l *link) set(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault.Cut && !f.Cut {
		l.heals++
	}
	l.fault, l.free = f, time.Time{}
	close(l.changed)
	l.changed = make(chan struct{})
}

// depart is when so many bytes have left, by the rate.
func (l *link) depart(size int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.fault.Rate <= 0 {
		return now
	}
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(size) / float64(l.fault.Rate) * float64(time.Second)))
	return l.free
}

// chunk is how much of a stream is read at once: less on a slow wire, so that it
// does not arrive in lumps.
func (l *link) chunk() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault.Rate <= 0 {
		return maxChunk
	}
	return int(min(max(l.fault.Rate/50, 64), maxChunk))
}
