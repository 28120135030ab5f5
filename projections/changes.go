package projections

import (
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store/kv"
)

// RowChange is one stored change of one row, decoded. Previous or Current is
// the zero M when there was, or is, no row.
type RowChange[M any] struct {
	Event             EventInfo
	Previous, Current M
}

// ChangeReader reads stored changes of a table and what is known of their
// events. All changes of one decision have the same DecisionInfo pointer. It
// belongs to one goroutine and lives no longer than its view.
type ChangeReader[M any] struct {
	view  *View
	table uint16
	parse func([]byte) (M, error)
	last  *DecisionInfo
}

// NewChangeReader returns a reader of a table's changes.
func NewChangeReader[M any](v *View, table uint16, parse func([]byte) (M, error)) *ChangeReader[M] {
	return &ChangeReader[M]{view: v, table: table, parse: parse}
}

// Read calls fn with the changes at positions after from, up to and including
// to, in order, until it returns an error, which Read returns.
func (r *ChangeReader[M]) Read(from, to events.Position, fn func(RowChange[M]) error) error {
	var failed error
	err := r.view.Changes(r.table, from, to, func(c *kv.Change) bool {
		var rc RowChange[M]
		if rc, failed = r.decode(c); failed == nil {
			failed = fn(rc)
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func (r *ChangeReader[M]) decode(c *kv.Change) (rc RowChange[M], err error) {
	p := events.Position(c.Position)
	if r.last == nil || p < r.last.First || p > r.last.Last {
		if r.last, err = r.view.Decision(p); err != nil {
			return rc, err
		}
	}
	rc.Event = r.last.Event(p)
	if !c.Deleted {
		if rc.Current, err = r.parse(c.Row); err != nil {
			return rc, err
		}
	}
	prev, ok, err := c.Prev()
	if err == nil && ok {
		rc.Previous, err = r.parse(prev)
	}
	return rc, err
}
