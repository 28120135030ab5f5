package membership

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Lifecycle is how much of its part in the mesh a node takes.
type Lifecycle uint8

// The lifecycles. Only an active node is given anything new.
const (
	Active Lifecycle = iota
	// Cordoned: it keeps what it has.
	Cordoned
	// Draining: it gives away what it has.
	Draining
	// Drained: it has nothing (A7).
	Drained
)

func (l Lifecycle) String() string {
	return [...]string{"active", "cordoned", "draining", "drained"}[l]
}

// allowed are the verbs that a node of this lifecycle takes.
func (l Lifecycle) allowed() string {
	return [...]string{"cordon, drain", "uncordon, drain", "cancel-drain, drain", "uncordon"}[l]
}

// The bounds of a drain's deadline, and the one that holds where none is given.
const (
	DefaultDrainWithin = 10 * time.Minute
	MinDrainWithin     = time.Second
	MaxDrainWithin     = 24 * time.Hour
)

// MaxBlockers bounds what a StallDrain names.
const MaxBlockers = 32

func transition(n Node, verb string) error {
	r := commands.Refuse("invalid_transition", "cannot %s node %q: it is %s", verb, n.NodeID, n.Lifecycle)
	r.Field, r.Allowed = "lifecycle", n.Lifecycle.allowed()
	return r
}

func (s *State) cordon(meta commands.Meta, c Cordon) ([]*eventsv1.Event, error) {
	n, err := s.present(meta, c.NodeID)
	if err != nil {
		return nil, err
	}
	if n.Lifecycle != Active {
		return nil, transition(n, "cordon")
	}
	return []*eventsv1.Event{cordoned(c.NodeID, "")}, nil
}

func (s *State) uncordon(meta commands.Meta, c Uncordon) ([]*eventsv1.Event, error) {
	n, err := s.present(meta, c.NodeID)
	if err != nil {
		return nil, err
	}
	if n.Lifecycle != Cordoned && n.Lifecycle != Drained {
		return nil, transition(n, "uncordon")
	}
	return []*eventsv1.Event{uncordoned(c.NodeID, "")}, nil
}

func (s *State) drain(meta commands.Meta, c Drain) ([]*eventsv1.Event, error) {
	n, err := s.present(meta, c.NodeID)
	if err != nil {
		return nil, err
	}
	if n.Role == ServerRole {
		return nil, commands.Refuse("node_is_server", "%q is a server of the control plane: it owns no shards, and hands over when it is stopped", c.NodeID)
	}
	if c.Within == 0 {
		c.Within = DefaultDrainWithin
	}
	if c.Within < MinDrainWithin || c.Within > MaxDrainWithin {
		return nil, commands.BadField("deadlineMs", "1s to 24h, or 0 for 10m", "is %s", c.Within)
	}
	if n.Lifecycle == Drained {
		return nil, transition(n, "drain")
	}
	return []*eventsv1.Event{drainStarted(c.NodeID, "", meta.Time+int64(c.Within))}, nil
}

func (s *State) cancelDrain(meta commands.Meta, c CancelDrain) ([]*eventsv1.Event, error) {
	n, err := s.present(meta, c.NodeID)
	if err != nil {
		return nil, err
	}
	if n.Lifecycle != Draining {
		return nil, transition(n, "cancel-drain")
	}
	return []*eventsv1.Event{drainCancelled(c.NodeID, "")}, nil
}

// draining returns a node that is draining, present or not: who left has nothing
// any more.
func (s *State) draining(id string) (Node, error) {
	n, ok := s.Node(id)
	if !ok {
		return Node{}, commands.Missing("node", id)
	}
	if n.Lifecycle != Draining {
		return Node{}, commands.Refuse("node_not_draining", "node %q is %s", id, n.Lifecycle)
	}
	return n, nil
}

// finishDrain is A7. What the node itself holds only its session can say, so the
// command names the session that said it.
func (s *State) finishDrain(c FinishDrain, held Holdings) ([]*eventsv1.Event, error) {
	n, err := s.draining(c.NodeID)
	if err != nil {
		return nil, err
	}
	if n.Session != c.Session {
		return nil, commands.Refuse("session_not_found", "node %q has no session %d now", c.NodeID, c.Session)
	}
	if owns, reads, leads := held.Owns(c.NodeID), held.Reads(c.NodeID), held.Leads(c.NodeID); owns > 0 || reads > 0 || leads > 0 {
		return nil, commands.Refuse("drain_not_finished", "node %q owns %d shards, reads %d and leads %d scopes", c.NodeID, owns, reads, leads)
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeDrained{NodeDrained: &eventsv1.NodeDrained{NodeId: c.NodeID}}}}, nil
}

func (s *State) stallDrain(meta commands.Meta, c StallDrain) ([]*eventsv1.Event, error) {
	n, err := s.draining(c.NodeID)
	switch {
	case err != nil:
		return nil, err
	case n.Stalled:
		return nil, nil
	case meta.Time < n.DrainDeadline:
		return nil, commands.Refuse("deadline_not_reached", "node %q may be drained until %s", c.NodeID, time.Unix(0, n.DrainDeadline).UTC().Format(time.RFC3339))
	case len(c.Blockers) > MaxBlockers:
		return nil, commands.BadField("blockers", "at most 32", "has %d", len(c.Blockers))
	}
	e := &eventsv1.NodeDrainStalled{NodeId: c.NodeID, More: c.More}
	for _, b := range c.Blockers {
		e.Blockers = append(e.Blockers, &eventsv1.DrainBlocker{Kind: b.Kind, Reference: b.Reference, Reason: b.Reason})
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeDrainStalled{NodeDrainStalled: e}}}, nil
}

func cordoned(node, window string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: node, Window: window}}}
}

func uncordoned(node, window string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NodeUncordoned{NodeUncordoned: &eventsv1.NodeUncordoned{NodeId: node, Window: window}}}
}

func drainStarted(node, window string, deadline int64) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NodeDrainStarted{NodeDrainStarted: &eventsv1.NodeDrainStarted{
		NodeId: node, Window: window, DeadlineMs: deadline / int64(time.Millisecond),
	}}}
}

func drainCancelled(node, window string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NodeDrainCancelled{NodeDrainCancelled: &eventsv1.NodeDrainCancelled{NodeId: node, Window: window}}}
}

// evolveCordon: what an operator had cordoned before a window took the node over
// stays noted, to be given back.
func (n *Node) evolveCordon(e *eventsv1.NodeCordoned) {
	n.endDrain()
	n.Lifecycle, n.Window = Cordoned, e.GetWindow()
	if n.Window == "" {
		n.Held = false
	}
}

// reopen makes a node active. What an operator opens, no window that was in force
// then closes again.
func (n *Node) reopen(r events.Recorded, window string) {
	n.endDrain()
	n.Lifecycle, n.Window, n.Held = Active, "", false
	if window == "" {
		n.Waived = r.Time
	}
}

func (n *Node) evolveDrain(r events.Recorded, e *eventsv1.NodeDrainStarted) {
	switch {
	case e.GetWindow() == "":
		n.Held = false
	case n.Lifecycle == Cordoned && n.Window == "":
		n.Held = true
	}
	n.endDrain()
	n.Lifecycle, n.Window = Draining, e.GetWindow()
	n.DrainStarted, n.DrainDeadline = r.Time, e.GetDeadlineMs()*int64(time.Millisecond)
}

func (n *Node) evolveDrained() {
	n.endDrain()
	n.Lifecycle = Drained
}

func (n *Node) endDrain() { n.DrainStarted, n.DrainDeadline, n.Stalled = 0, 0, false }
