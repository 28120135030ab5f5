package model

import (
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
)

// Closed implements leadership.Nodes: only an active node is given shards and
// leaderships (S3).
func (n nodes) Closed(id string) error {
	node, _ := n.Node(id)
	switch node.Lifecycle {
	case membership.Cordoned:
		return commands.Refuse("node_cordoned", "node %q is cordoned and takes nothing new", id)
	case membership.Draining:
		return commands.Refuse("node_draining", "node %q is being drained and takes nothing new", id)
	case membership.Drained:
		return commands.Refuse("node_drained", "node %q is drained and takes nothing new", id)
	}
	return nil
}
