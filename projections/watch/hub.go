package watch

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// source is what is watched: rows of a table, or the events of the log.
type source[T any] interface {
	// routes calls add with the keys of a decision's changes and returns how many
	// changes it has; stored: they are not at hand.
	routes(d *projections.Decision, add func(key string)) (rows int, stored bool)
	// live calls fn with the changes of a decision.
	live(d *projections.Decision, fn func(change[T]) error) error
	// stored calls fn with the changes in (from, to].
	stored(ctx context.Context, v *projections.View, from, to events.Position, fn func(change[T]) error) error
	// rows calls fn with what is there.
	rows(v *projections.View, route string, fn func(T) error) error
	// passes reports whether a change is wanted.
	passes(o *Options[T], c *change[T]) bool
}

// Projector is what a hub needs of a projector.
type Projector interface {
	View() (*projections.View, error)
	Listen(projections.Listener)
}

// Hub fans the changes of one source out to its watchers.
//
// mu guards who watches. The projector's goroutine takes it to hand out a
// commit, and each queue's own lock inside it; no lock is held while a watcher
// works.
type Hub[T any] struct {
	name   string
	cfg    Config
	from   Projector
	source source[T]
	head   atomic.Uint64 // every decision up to it is in the queues it belongs to

	mu       sync.Mutex
	watchers map[string]map[*queue]struct{} // by route; "" is all
	count    int
	touched  map[string]struct{} // scratch of Committed
}

var _ projections.Listener = (*Hub[int])(nil)

func newHub[T any](p Projector, name string, cfg Config, s source[T]) (*Hub[T], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	h := &Hub[T]{
		name: name, cfg: cfg, from: p, source: s,
		watchers: map[string]map[*queue]struct{}{}, touched: map[string]struct{}{},
	}
	cfg.Metrics.add(h)
	p.Listen(h)
	return h, nil
}

// Wants implements [projections.Listener].
func (h *Hub[T]) Wants() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count > 0
}

// Committed implements [projections.Listener].
func (h *Hub[T]) Committed(c *projections.Commit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.Decisions == nil {
		for _, qs := range h.watchers {
			for q := range qs {
				q.fallBehind()
			}
		}
	}
	for _, d := range c.Decisions {
		h.handOut(d)
	}
	h.head.Store(uint64(c.Position))
}

// handOut puts a decision into the queues of its routes. mu is held.
func (h *Hub[T]) handOut(d *projections.Decision) {
	clear(h.touched)
	rows, stored := h.source.routes(d, func(key string) { h.touched[key] = struct{}{} })
	if rows == 0 && !stored {
		return
	}
	h.touched[""] = struct{}{}
	for key := range h.touched {
		for q := range h.watchers[key] {
			if stored {
				q.fallBehind()
			} else {
				q.push(d, rows)
			}
		}
	}
}

func (h *Hub[T]) enter(route string) (*queue, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count >= h.cfg.MaxWatchers {
		return nil, ErrTooMany
	}
	q := newQueue(h.cfg)
	if h.watchers[route] == nil {
		h.watchers[route] = map[*queue]struct{}{}
	}
	h.watchers[route][q] = struct{}{}
	h.count++
	return q, nil
}

func (h *Hub[T]) leave(route string, q *queue) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count--
	if delete(h.watchers[route], q); len(h.watchers[route]) == 0 {
		delete(h.watchers, route)
	}
}

// Watchers is the number of watches that are open.
func (h *Hub[T]) Watchers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// Lag is the number of events that the slowest watcher has not been given.
func (h *Hub[T]) Lag() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	head, lag := h.head.Load(), uint64(0)
	for _, qs := range h.watchers {
		for q := range qs {
			if at, idle := q.progress(); !idle && head > at {
				lag = max(lag, head-at)
			}
		}
	}
	return lag
}

func (h *Hub[T]) kind() string { return h.name }
