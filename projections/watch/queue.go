package watch

import (
	"sync"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// queue is what waits for one watcher.
type queue struct {
	maxDecisions, maxRows int
	// wake has room for one token: that there is something, not how much.
	wake chan struct{}

	mu        sync.Mutex
	decisions []*projections.Decision
	rows      int
	behind    bool // decisions were dropped: read them from a view
	busy      bool // the watcher works on what it took
	at        events.Position
}

func newQueue(cfg Config) *queue {
	return &queue{maxDecisions: cfg.QueueDecisions, maxRows: cfg.QueueRows, wake: make(chan struct{}, 1)}
}

// push adds a decision; when there is no room the watcher falls behind.
func (q *queue) push(d *projections.Decision, rows int) {
	q.mu.Lock()
	switch {
	case q.behind:
	case len(q.decisions) == q.maxDecisions || (q.rows+rows > q.maxRows && q.rows > 0):
		q.behind, q.decisions, q.rows = true, nil, 0
	default:
		q.decisions, q.rows = append(q.decisions, d), q.rows+rows
	}
	q.mu.Unlock()
	q.signal()
}

func (q *queue) fallBehind() {
	q.mu.Lock()
	q.behind, q.decisions, q.rows = true, nil, 0
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take empties the queue. After behind the caller acquires a view: it shows all
// that was dropped, for a decision is handed out after its view is there.
func (q *queue) take() (ds []*projections.Decision, behind bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ds, behind = q.decisions, q.behind
	q.decisions, q.rows, q.behind = nil, 0, false
	q.busy = behind || len(ds) > 0
	return ds, behind
}

// reached notes how far the watcher is; it has nothing in hand.
func (q *queue) reached(at events.Position) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.at, q.busy = at, false
}

// empty reports whether nothing waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.behind && len(q.decisions) == 0
}

// progress is how far the watcher is, and whether it has nothing to do.
func (q *queue) progress() (at uint64, idle bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return uint64(q.at), !q.behind && !q.busy && len(q.decisions) == 0
}
