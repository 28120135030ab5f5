package model

import (
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/events"
)

// nodes answers what the contexts ask membership.
type nodes struct{ *membership.State }

// Cordoned implements leadership.Nodes.
func (n nodes) Cordoned(id string) bool {
	node, _ := n.Node(id)
	return node.Cordoned
}

// Session implements shard.Nodes.
func (n nodes) Session(id string) events.Position {
	node, _ := n.Node(id)
	return node.Session
}

// Assignable implements shard.Nodes (S3).
func (n nodes) Assignable(id, role string) error {
	node, ok := n.Node(id)
	switch {
	case !ok:
		return commands.Missing("node", id)
	case node.Cordoned:
		return commands.Refuse("node_cordoned", "node %q is cordoned and takes no shards", id)
	case node.Role != role:
		return commands.Refuse("node_not_eligible", "node %q has role %s, the namespace is placed on %s", id, node.Role, role)
	case node.Left || node.Session == 0:
		return commands.Refuse("node_not_eligible", "node %q has no live session", id)
	}
	return nil
}

// Assignable is nil if a node may be given shards of a namespace with this
// eligible role.
func (m *Model) Assignable(node, role string) error {
	return nodes{m.Membership}.Assignable(node, role)
}
