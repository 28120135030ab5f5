package watch

import (
	"context"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// Kind is a table that can be watched.
type Kind[M comparable] struct {
	// Name is the label of its metrics: shards, peers, leaders.
	Name string
	// Table is the number of the table.
	Table uint16
	// Parse decodes a row.
	Parse func([]byte) (M, error)
	// List visits the rows that may have a route ("" is all); nil lists all rows
	// of the table.
	List func(v *projections.View, route string, fn func(row []byte) bool) error
}

// NewRows returns the hub of a table's rows.
func NewRows[M comparable](p Projector, k Kind[M], cfg Config) (*Hub[M], error) {
	return newHub(p, k.Name, cfg, source[M](rowSource[M]{k}))
}

type rowSource[M comparable] struct{ Kind[M] }

func (s rowSource[M]) routes(d *projections.Decision, add func(string)) (int, bool) {
	c := d.Changes[s.Table]
	if c.Empty() {
		return 0, false
	}
	c.Routes(add)
	return len(c.Rows), c.Stored
}

func (s rowSource[M]) live(d *projections.Decision, fn func(change[M]) error) error {
	c := d.Changes[s.Table]
	for i := range c.Rows {
		row := &c.Rows[i]
		ch := change[M]{event: d.Info.Event(d.Events[row.Event].Position)}
		ch.current, _ = row.Current.(M) // nil is no row
		ch.previous, _ = row.Previous.(M)
		if err := fn(ch); err != nil {
			return err
		}
	}
	return nil
}

func (s rowSource[M]) stored(_ context.Context, v *projections.View, from, to events.Position, fn func(change[M]) error) error {
	return projections.NewChangeReader(v, s.Table, s.Parse).Read(from, to, func(c projections.RowChange[M]) error {
		return fn(change[M]{event: c.Event, current: c.Current, previous: c.Previous})
	})
}

func (s rowSource[M]) rows(v *projections.View, route string, fn func(M) error) error {
	var failed error
	visit := func(row []byte) bool {
		var m M
		if m, failed = s.Parse(row); failed == nil {
			failed = fn(m)
		}
		return failed == nil
	}
	var err error
	if s.List != nil {
		err = s.List(v, route, visit)
	} else {
		err = v.List(s.Table, projections.Range{}, 0, func(_, row []byte) bool { return visit(row) })
	}
	if failed != nil {
		return failed
	}
	return err
}

func (s rowSource[M]) passes(o *Options[M], c *change[M]) bool {
	var none M
	return o.passes(c.current, c.current == none) || o.passes(c.previous, c.previous == none)
}
