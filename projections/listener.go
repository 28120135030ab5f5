package projections

import (
	"slices"

	"github.com/omnirelay/omnirelay/events"
)

// Decision is a decision as listeners get it: its events, and what they changed
// in each table. All of it is shared: read only.
type Decision struct {
	Info *DecisionInfo
	// Events are the decision's, in order.
	Events []events.Recorded
	// Changes by table id.
	Changes map[uint16]*Changes
}

// Commit is what became visible with one view.
type Commit struct {
	// Position of the view; the last decision's end.
	Position events.Position
	// Decisions in order. Nil when the projector was far behind: the changes up
	// to Position are then read from the view.
	Decisions []*Decision
	// After is the position before the first decision of the commit.
	After events.Position
}

// Listener hears of commits on the projector's goroutine. It must not wait.
type Listener interface {
	// Wants reports whether the changes of the next commits are worth keeping.
	Wants() bool
	// Committed is called after the view shows the commit.
	Committed(c *Commit)
}

// Listen adds a listener; it hears of commits from the next one on.
func (p *Projector) Listen(l Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(slices.Clip(p.listeners), l)
}

func (p *Projector) hearers() (all []Listener, wanted bool) {
	p.mu.Lock()
	all = p.listeners
	p.mu.Unlock()
	for _, l := range all {
		wanted = wanted || l.Wants()
	}
	return all, wanted
}
