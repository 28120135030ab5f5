package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// Watch calls fn with the items of a watch until ctx ends, fn fails, or the
// watch has reached its end, and returns why; nil for the last. fn may take its
// time.
func (h *Hub[T]) Watch(ctx context.Context, o Options[T], fn func(Item[T]) error) error {
	q, err := h.enter(o.Route)
	if err != nil {
		return err
	}
	defer h.leave(o.Route, q)
	w := watcher[T]{hub: h, queue: q, options: o, fn: fn, emitter: emitter[T]{fn: fn}}
	err = w.start(ctx)
	if err == nil {
		err = w.run(ctx)
	}
	// What is stored may reach Options.Until, before anything is followed.
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

// errEnd ends a watch at Options.Until.
var errEnd = errors.New("end of the watch")

// watcher is one watch. It belongs to the goroutine that called Watch.
type watcher[T any] struct {
	hub     *Hub[T]
	queue   *queue
	options Options[T]
	fn      func(Item[T]) error
	emitter emitter[T]
	// at: all up to it has been considered. told: the last resume point that fn
	// was given by a bookmark.
	at, told events.Position
}

// start settles where the watch begins. The queue is open already, so nothing
// that comes after the view is missed; what comes twice is dropped by position.
func (w *watcher[T]) start(ctx context.Context) error {
	v, err := w.hub.from.View()
	if err != nil {
		return err
	}
	defer v.Release()
	switch w.options.Start {
	case Snapshot:
		err := w.hub.source.rows(v, w.options.Route, func(row T) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !w.options.passes(row, false) {
				return nil
			}
			return w.fn(Item[T]{Kind: Row, Position: v.Position(), Current: row})
		})
		if err != nil {
			return err
		}
		w.at = v.Position()
		return w.bookmark(w.at)
	case After:
		if w.at, err = v.AsOf(w.options.Position); err != nil {
			return err
		}
		return w.replay(ctx, v)
	case Head:
		w.at = v.Position()
		return w.bookmark(w.at)
	}
	return fmt.Errorf("watch: start is %d; allowed are %d to %d", w.options.Start, Snapshot, Head)
}

func (w *watcher[T]) run(ctx context.Context) error {
	tick := time.NewTicker(w.hub.cfg.BookmarkEvery)
	defer tick.Stop()
	var due <-chan time.Time
	if w.options.Bookmarks || w.options.Until > 0 {
		due = tick.C
	}
	for {
		if err := w.work(ctx); err != nil {
			return err
		}
		w.idle()
		select {
		case <-w.queue.wake:
		case <-due:
			if err := w.mark(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *watcher[T]) idle() {
	if w.options.Idle != nil && w.queue.empty() {
		w.options.Idle()
	}
}

// work delivers what waits.
func (w *watcher[T]) work(ctx context.Context) error {
	ds, behind := w.queue.take()
	if behind {
		if err := w.catchUp(ctx); err != nil {
			return err
		}
	}
	for _, d := range ds {
		if d.Info.Last <= w.at {
			continue
		}
		if err := w.hub.source.live(d, w.consider); err != nil {
			return err
		}
		if err := w.reached(d.Info.Last); err != nil {
			return err
		}
	}
	w.queue.reached(w.at)
	return w.end()
}

// catchUp reads what was dropped from the newest view.
func (w *watcher[T]) catchUp(ctx context.Context) error {
	v, err := w.hub.from.View()
	if err != nil {
		return err
	}
	defer v.Release()
	return w.replay(ctx, v)
}

func (w *watcher[T]) replay(ctx context.Context, v *projections.View) error {
	to := v.Position()
	if until := w.options.Until; until > 0 && until < to {
		to = max(until, w.at)
	}
	err := w.hub.source.stored(ctx, v, w.at, to, func(c change[T]) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return w.consider(c)
	})
	if err != nil {
		return err
	}
	if err := w.reached(to); err != nil {
		return err
	}
	return w.end()
}

func (w *watcher[T]) consider(c change[T]) error {
	if !w.hub.source.passes(&w.options, &c) {
		return nil
	}
	return w.emitter.push(c)
}

// reached ends a decision: what was held back was its last.
func (w *watcher[T]) reached(p events.Position) error {
	w.at = max(w.at, p)
	return w.emitter.flush()
}

func (w *watcher[T]) end() error {
	if w.options.Until > 0 && w.at >= w.options.Until {
		return errEnd
	}
	return nil
}

// mark says how far a quiet watch is. The head is read before the queue is
// looked at: all up to it that is for this watcher had been put there.
func (w *watcher[T]) mark() error {
	head := events.Position(w.hub.head.Load())
	if !w.queue.empty() {
		return nil // there is work; its items say how far
	}
	w.at = max(w.at, head)
	if w.options.Bookmarks {
		if err := w.bookmark(w.at); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *watcher[T]) bookmark(p events.Position) error {
	if p == 0 || p == w.told {
		return nil
	}
	w.told = p
	return w.fn(Item[T]{Kind: Bookmark, Position: p})
}
