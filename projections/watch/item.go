package watch

import (
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// ItemKind says what an item is.
type ItemKind int

const (
	// Row is a row of the snapshot that a watch begins with.
	Row ItemKind = iota + 1
	// Changed is a change of a row, or an event of the log.
	Changed
	// Bookmark says how far the watch is.
	Bookmark
)

// Item is one thing that a watch yields.
type Item[T any] struct {
	Kind ItemKind
	// Position to resume after. For a Row, the position of the snapshot.
	Position events.Position
	// Current and Previous are zero where there is, or was, no row. Shared: read
	// only.
	Current, Previous T
	// Event of a Changed item.
	Event projections.EventInfo
}

// Start says where a watch begins.
type Start int

const (
	// Snapshot begins with the rows that are there.
	Snapshot Start = iota
	// After begins after [Options.Position], without rows.
	After
	// Head begins with what comes next.
	Head
)

// Options say what a watch is about.
type Options[T any] struct {
	Start Start
	// Position to go on after, with Start After. Inside of a decision it counts
	// as the one before it; beyond the head it is a projections.AheadError.
	Position events.Position
	// Match reports whether a row (or event) passes; nil passes all. It is never
	// asked of a zero T.
	Match func(T) bool
	// Route that every change that passes Match has, in its row before or after;
	// empty if there is none. It only makes the watch cheaper.
	Route string
	// Bookmarks are wanted while nothing passes.
	Bookmarks bool
	// Until ends the watch, without error, when it has reached this position; 0
	// never.
	Until events.Position
	// Idle, if set, is called each time that all that was ready has been handed
	// over, before the watch waits: whoever gathers items sends them now.
	Idle func()
}

func (o Options[T]) passes(match T, zero bool) bool {
	return !zero && (o.Match == nil || o.Match(match))
}

// change is one candidate for a watch, before its position is known.
type change[T any] struct {
	event             projections.EventInfo
	current, previous T
}

// emitter gives changes their positions. Whether a change is the last of its
// decision that passes shows only when the next one does not belong to it, so
// one change is held back.
type emitter[T any] struct {
	fn   func(Item[T]) error
	held *change[T]
}

func (e *emitter[T]) push(c change[T]) error {
	held := e.held
	e.held = &c
	if held == nil {
		return nil
	}
	if held.event.Last == c.event.Last {
		return e.emit(held, held.event.First-1)
	}
	return e.emit(held, held.event.Last)
}

// flush sends what is held. Only at the end of a decision.
func (e *emitter[T]) flush() error {
	held := e.held
	e.held = nil
	if held == nil {
		return nil
	}
	return e.emit(held, held.event.Last)
}

func (e *emitter[T]) emit(c *change[T], resume events.Position) error {
	return e.fn(Item[T]{Kind: Changed, Position: resume, Current: c.current, Previous: c.previous, Event: c.event})
}
