package client

import (
	"math/rand/v2"
	"net/url"
	"sync"
	"time"
)

// endpoint is one server of the mesh.
type endpoint struct {
	url *url.URL
}

// endpoints chooses whom to ask: the same one as long as it answers, so that
// reads of one client see positions that rise; after a failure the next one
// that did not fail lately.
type endpoints struct {
	rest time.Duration
	list []*endpoint

	mu      sync.Mutex
	current int
	// resting until: index → end of the time in which it is asked only if all
	// others rest as well.
	resting []time.Time
}

// newEndpoints starts anywhere in the list, so that many clients with the same
// list do not all ask its first server.
func newEndpoints(urls []*url.URL, rest time.Duration) *endpoints {
	e := &endpoints{rest: rest, resting: make([]time.Time, len(urls)), current: rand.IntN(len(urls))}
	for _, u := range urls {
		e.list = append(e.list, &endpoint{url: u})
	}
	return e
}

func (e *endpoints) count() int { return len(e.list) }

func (e *endpoints) pick() *endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.list[e.current]
}

// failed moves on from ep, unless somebody did so already. Of endpoints that
// all rest, the one that has rested longest is next.
func (e *endpoints) failed(ep *endpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	at := e.index(ep)
	e.resting[at] = now.Add(e.rest)
	if e.current != at {
		return
	}
	best := at
	for i := 1; i < len(e.list); i++ {
		next := (at + i) % len(e.list)
		if !e.resting[next].After(now) {
			e.current = next
			return
		}
		if e.resting[next].Before(e.resting[best]) {
			best = next
		}
	}
	e.current = best
}

func (e *endpoints) index(ep *endpoint) int {
	for i, known := range e.list {
		if known == ep {
			return i
		}
	}
	panic("client: endpoint of another client")
}
