package model

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// nodes answers what the contexts ask membership. A session of the time before a
// restore is none: its node may hold what this log does not know of.
type nodes struct {
	*membership.State
	since    events.Position // where the era began
	policies *policy.State
}

func (m *Model) nodes() nodes { return nodes{m.Membership, m.Control.StartedAt, m.Policy} }

// SessionIs implements leadership.Nodes. A session that is going to be closed wins
// nothing any more.
func (n nodes) SessionIs(id string, session events.Position) bool {
	return session >= n.since && n.State.SessionIs(id, session) && !n.closing(id)
}

func (n nodes) closing(id string) bool {
	node, _ := n.Node(id)
	return node.Closing != 0
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
	case node.Closing != 0:
		return commands.Refuse("session_closing", "session %d of node %q is going to be closed", node.Session, id)
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

// SessionTTL implements shard.Sessions.
func (n nodes) SessionTTL() time.Duration { return n.policies.SessionTTL() }

// Open implements shard.Sessions. It asks of the log, whatever the era.
func (n nodes) Open(id string, session events.Position) bool { return n.State.SessionIs(id, session) }

// Heir implements shard.Sessions. The earlier session may be of an era before.
func (n nodes) Heir(id string, session events.Position) events.Position {
	if heir := n.State.Heir(id, session); heir >= n.since {
		return heir
	}
	return 0
}

// ForceClose implements shard.Sessions.
func (n nodes) ForceClose(id string, session events.Position) []*eventsv1.Event {
	return n.BeginClose(id, session, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED)
}

// Heir is the session to which what an ended session of a node owns may be bound;
// 0 without one.
func (m *Model) Heir(node string, session events.Position) events.Position {
	return m.nodes().Heir(node, session)
}
