package membership

import (
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Window is a maintenance window that is in force.
type Window struct {
	Name        string
	NodeIDs     []string // sorted
	Selectors   []string
	Impact      eventsv1.MaintenanceImpact
	DrainWithin time.Duration
	// Since is when it came into force, End when it will be over, log time.
	Since, End int64
}

// about reports whether the window is about a node. Servers take no part: they own
// nothing. A window that an operator has overruled for the node does not count.
func (w *Window) about(n *Node) bool {
	if n.Role == ServerRole || n.Left || w.Since <= n.Waived {
		return false
	}
	if _, named := slices.BinarySearch(w.NodeIDs, n.NodeID); named {
		return true
	}
	for _, sel := range w.Selectors {
		key, want, valued := strings.Cut(sel, "=")
		if have, ok := n.Labels[key]; !ok || valued && have != want {
			return false
		}
	}
	return len(w.Selectors) > 0
}

// wanted is the window that counts for a node, nil when none does: the strongest;
// of equals the one that the node carries, so that nothing changes without need,
// then the one that ends last.
func wanted(n *Node, windows []Window) *Window {
	var best *Window
	for i := range windows {
		w := &windows[i]
		if w.Impact < eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_CORDON || !w.about(n) {
			continue
		}
		switch {
		case best == nil || w.Impact > best.Impact:
			best = w
		case w.Impact < best.Impact || best.Name == n.Window:
		case w.Name == n.Window || w.End > best.End:
			best = w
		}
	}
	return best
}

// MaintenanceDue are the nodes that are not in the state that these windows, all of
// those in force, want, in the order of ids.
func (s *State) MaintenanceDue(windows []Window) []string {
	var due []string
	s.nodes.Scan(func(id string, n *Node) bool {
		if n.Window == "" && len(windows) == 0 {
			return true
		}
		if len(maintained(n, wanted(n, windows), 0)) > 0 {
			due = append(due, id)
		}
		return true
	})
	return due
}

func (s *State) maintain(meta commands.Meta, c Maintain, policies Policies) ([]*eventsv1.Event, error) {
	n, ok := s.Node(c.NodeID)
	if !ok {
		return nil, commands.Missing("node", c.NodeID)
	}
	return maintained(&n, wanted(&n, policies.Windows(meta.Time)), meta.Time), nil
}

// maintained are the events that bring a node to what a window wants, nil for no
// window. What operators did holds: a node that they cordoned is at most drained,
// and cordoned again after; one that they drain is left alone.
func maintained(n *Node, w *Window, now int64) []*eventsv1.Event {
	drains := w != nil && w.Impact == eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN
	if n.Window == "" {
		switch {
		case w == nil || n.Lifecycle == Draining || n.Lifecycle == Drained:
			return nil
		case drains:
			return []*eventsv1.Event{drainStarted(n.NodeID, w.Name, now+int64(w.DrainWithin))}
		case n.Lifecycle == Active:
			return []*eventsv1.Event{cordoned(n.NodeID, w.Name)}
		}
		return nil
	}
	switch {
	case w == nil:
		return n.givenBack()
	case drains:
		return n.keptDraining(w, now)
	case n.Lifecycle == Cordoned && w.Name == n.Window:
		return nil
	}
	to := w.Name
	if n.Held { // an operator's cordon is enough
		to = ""
	}
	return n.toCordon(to)
}

// givenBack: no window wants the node any more.
func (n *Node) givenBack() []*eventsv1.Event {
	switch {
	case n.Held:
		return n.toCordon("")
	case n.Lifecycle == Draining:
		return []*eventsv1.Event{drainCancelled(n.NodeID, n.Window)}
	}
	return []*eventsv1.Event{uncordoned(n.NodeID, n.Window)}
}

func (n *Node) toCordon(window string) []*eventsv1.Event {
	if n.Lifecycle == Draining {
		return []*eventsv1.Event{drainCancelled(n.NodeID, n.Window), cordoned(n.NodeID, window)}
	}
	return []*eventsv1.Event{cordoned(n.NodeID, window)}
}

// keptDraining: another window goes on where the first one ended. A drained node
// was given nothing since, so it is drained still (A7).
func (n *Node) keptDraining(w *Window, now int64) []*eventsv1.Event {
	switch {
	case n.Lifecycle == Cordoned:
	case w.Name == n.Window:
		return nil
	case n.Lifecycle == Drained:
		return []*eventsv1.Event{
			drainStarted(n.NodeID, w.Name, now+int64(w.DrainWithin)),
			{Kind: &eventsv1.Event_NodeDrained{NodeDrained: &eventsv1.NodeDrained{NodeId: n.NodeID}}},
		}
	}
	return []*eventsv1.Event{drainStarted(n.NodeID, w.Name, now+int64(w.DrainWithin))}
}
