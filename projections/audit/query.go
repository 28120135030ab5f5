package audit

import (
	"errors"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// Query says which decisions are meant: those that match all fields that are
// not empty.
type Query struct {
	Actor       string
	Entity      string
	Correlation string
}

// ErrQuery: a query without a field would be the log itself.
var ErrQuery = errors.New("audit: a query needs an actor, an entity or a correlation id")

// term is one value that is looked up.
type term struct {
	kind  Kind
	value string
}

// terms are the fields that are set, those that match least first.
func (q Query) terms() []term {
	var ts []term
	for _, t := range []term{{ByCorrelation, q.Correlation}, {ByEntity, q.Entity}, {ByActor, q.Actor}} {
		if t.value != "" {
			ts = append(ts, t)
		}
	}
	return ts
}

// Find calls fn with the decisions after a position that match, ascending, as
// far as a position (0 is now), until fn returns false. The first term that is
// set is walked; the others are asked of each decision.
func Find(v *projections.View, q Query, after, at events.Position, fn func(decision events.Position) bool) error {
	ts := q.terms()
	if len(ts) == 0 {
		return ErrQuery
	}
	if at == 0 {
		at = v.Position()
	}
	var bad error
	err := v.Series(ID, key(ts[0].kind, ts[0].value), after, func(p events.Position) bool {
		if p > at {
			return false
		}
		all := true
		for _, t := range ts[1:] {
			var has bool
			if has, bad = holds(v, t, p); bad != nil {
				return false
			}
			all = all && has
		}
		return !all || fn(p)
	})
	return errors.Join(err, bad)
}

// holds reports whether a decision is under a term.
func holds(v *projections.View, t term, p events.Position) (bool, error) {
	found := false
	err := v.Series(ID, key(t.kind, t.value), p-1, func(next events.Position) bool {
		found = next == p
		return false
	})
	return found, err
}
