package projections

import (
	"bytes"
	"cmp"
	"slices"
)

// Router is a table that says under which keys its rows are watched, so that a
// change wakes those who wait for it and no others.
type Router interface {
	// Routes calls add with each key of a row; row is never nil.
	Routes(row any, add func(key string))
}

// Change is one change of one row. The rows are shared: read only.
type Change struct {
	// Event is the index in [Decision.Events] of the event that did it.
	Event    int
	PK       []byte
	Previous any // nil: there was no row
	Current  any // nil: there is none any more
}

// Changes are the changes of one table in one decision.
type Changes struct {
	// Rows are in the order of events, then of primary keys. Empty when Stored.
	Rows []Change
	// Stored says that there were more than [MaxLiveRows]: read them from the
	// view.
	Stored bool

	router Router
	routes map[string]struct{} // of a stored decision
	event  int
}

// MaxLiveRows is the number of changes of a decision, in one table, that are
// handed to listeners; more are read from the view by whoever wants them.
const MaxLiveRows = 1000

func newChanges(t Table) *Changes {
	c := &Changes{}
	c.router, _ = t.(Router)
	return c
}

func (c *Changes) add(pk []byte, previous, current any) {
	change := Change{Event: c.event, PK: pk, Previous: previous, Current: current}
	if c.Stored {
		c.eachRoute(change, c.addRoute)
		return
	}
	if len(c.Rows) == MaxLiveRows {
		c.Stored, c.routes = true, map[string]struct{}{}
		for _, row := range append(c.Rows, change) {
			c.eachRoute(row, c.addRoute)
		}
		c.Rows = nil
		return
	}
	change.PK = bytes.Clone(pk)
	c.Rows = append(c.Rows, change)
}

func (c *Changes) addRoute(key string) { c.routes[key] = struct{}{} }

func (c *Changes) eachRoute(change Change, add func(string)) {
	if c.router == nil {
		return
	}
	if change.Previous != nil {
		c.router.Routes(change.Previous, add)
	}
	if change.Current != nil {
		c.router.Routes(change.Current, add)
	}
}

// Routes calls add with the keys of all rows before and after, the same key
// possibly more than once.
func (c *Changes) Routes(add func(key string)) {
	for key := range c.routes {
		add(key)
	}
	for _, row := range c.Rows {
		c.eachRoute(row, add)
	}
}

// Empty reports whether nothing changed.
func (c *Changes) Empty() bool { return c == nil || (len(c.Rows) == 0 && !c.Stored) }

// arrange puts changes into the order in which the view stores them: by event,
// then by primary key. Tables go by node or by shard as the event does.
func (d *Decision) arrange() {
	for _, c := range d.Changes {
		slices.SortStableFunc(c.Rows, func(a, b Change) int {
			return cmp.Or(cmp.Compare(a.Event, b.Event), bytes.Compare(a.PK, b.PK))
		})
	}
}
