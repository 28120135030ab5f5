package projections

import (
	"github.com/omnirelay/omnirelay/events"
)

// Decision returns the decision that holds a position, or an [AheadError] or a
// [VoidError].
func (v *View) Decision(p events.Position) (*DecisionInfo, error) {
	d, err := v.seek(p)
	switch {
	case err != nil:
		return nil, err
	case d == nil || p == 0:
		return nil, &AheadError{Position: p, Head: v.Mark.Position}
	case p < d.First:
		before, err := v.lastBefore(d.First)
		if err != nil {
			return nil, err
		}
		return nil, &VoidError{Position: p, Restored: before, Next: d.First}
	}
	return d, nil
}

// seek returns the first decision that ends at or after a position; nil if the
// view shows none.
func (v *View) seek(p events.Position) (d *DecisionInfo, err error) {
	if p > v.Mark.Position {
		return nil, nil
	}
	r := Range{Limit: 1}
	if p > 0 {
		// Entries go on after their position, so they sort after the bare one.
		r.After = position8(uint64(p))
	}
	scanErr := v.IndexScan(coreID, r, func(key []byte) bool {
		d, err = parseDecision(key)
		return false
	})
	if scanErr != nil {
		return nil, scanErr
	}
	if d != nil && d.Last > v.Mark.Position {
		d = nil
	}
	return d, err
}

// lastBefore returns the end of the last decision before the one that begins at
// p, 0 if that is the first. Only before the first of an era it is not p-1.
func (v *View) lastBefore(p events.Position) (events.Position, error) {
	if p <= 1 {
		return 0, nil
	}
	d, err := v.seek(p - 1)
	if err != nil || (d != nil && d.Last == p-1) {
		return p - 1, err
	}
	return v.search(func(d *DecisionInfo) bool { return d.Last < p })
}

// AsOf returns the position at which a read as of p is answered: p itself when
// a decision ends there, else the end of the decision before the one that p is
// inside of; 0 is before everything.
func (v *View) AsOf(p events.Position) (events.Position, error) {
	if p == 0 || p == v.Mark.Position {
		return p, nil
	}
	d, err := v.Decision(p)
	if err != nil {
		return 0, err
	}
	if d.Last == p {
		return p, nil
	}
	return v.lastBefore(d.First)
}

// AtTime returns the end of the last decision at or before a time (Unix
// nanoseconds), 0 if there is none. Log time never runs backwards, so the index
// of decisions is searched and no other is needed.
func (v *View) AtTime(t int64) (events.Position, error) {
	if v.Mark.Time <= t {
		return v.Mark.Position, nil
	}
	return v.search(func(d *DecisionInfo) bool { return d.Time <= t })
}

// search returns the end of the last decision that holds, where those that hold
// come before those that do not.
func (v *View) search(holds func(*DecisionInfo) bool) (events.Position, error) {
	lo, hi := events.Position(0), v.Mark.Position
	for lo < hi {
		middle := lo + (hi-lo+1)/2
		d, err := v.seek(middle)
		if err != nil {
			return 0, err
		}
		if d != nil && holds(d) {
			lo = d.Last
		} else {
			hi = middle - 1
			if d != nil {
				hi = min(hi, d.First-1)
			}
		}
	}
	return lo, nil
}
