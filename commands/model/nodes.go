package model

import (
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/events"
)

// nodes answers what the contexts ask membership. A session of the time before a
// restore is none: its node may hold what this log does not know of.
type nodes struct {
	*membership.State
	since events.Position // where the era began
}

func (m *Model) nodes() nodes { return nodes{m.Membership, m.Control.StartedAt} }

// SessionIs implements leadership.Nodes.
func (n nodes) SessionIs(id string, session events.Position) bool {
	return session >= n.since && n.State.SessionIs(id, session)
}

// Draining implements shard.Nodes.
func (n nodes) Draining(id string) bool {
	node, _ := n.Node(id)
	return node.Lifecycle == membership.Draining
}

// Session implements shard.Nodes.
func (n nodes) Session(id string) events.Position {
	node, _ := n.Node(id)
	if node.Session < n.since {
		return 0
	}
	return node.Session
}

// Assignable implements shard.Nodes (S3).
func (n nodes) Assignable(id, role string) error {
	node, ok := n.Node(id)
	switch {
	case !ok:
		return commands.Missing("node", id)
	case n.Closed(id) != nil:
		return n.Closed(id)
	case node.Role != role:
		return commands.Refuse("node_not_eligible", "node %q has role %s, the namespace is placed on %s", id, node.Role, role)
	case node.Left || n.Session(id) == 0:
		return commands.Refuse("node_not_eligible", "node %q has no live session", id)
	}
	return nil
}

// Assignable is nil if a node may be given shards of a namespace with this
// eligible role.
func (m *Model) Assignable(node, role string) error {
	return m.nodes().Assignable(node, role)
}

// SessionLives reports whether this is the present session of a node, and one of
// this era.
func (m *Model) SessionLives(node string, session events.Position) bool {
	return m.nodes().SessionIs(node, session)
}
