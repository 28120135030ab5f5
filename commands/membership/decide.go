package membership

import (
	"crypto/subtle"
	"maps"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Policies is what membership asks the policy context.
type Policies interface {
	SessionTTL() time.Duration
	// Windows are the maintenance windows in force at a log time, by name.
	Windows(now int64) []Window
}

// Holdings is what membership asks the contexts in which nodes hold something.
type Holdings interface {
	// Owns is the number of shards that a node owns, Reads of those that it reads,
	// Leads of scopes that it leads.
	Owns(node string) int
	Reads(node string) int
	Leads(node string) int
}

// Decide decides one command of this context.
func (s *State) Decide(meta commands.Meta, cmd commands.Command, policies Policies, held Holdings) ([]*eventsv1.Event, error) {
	switch c := cmd.(type) {
	case JoinServer:
		return s.joinServer(c)
	case LoseServer:
		return s.loseServer(c)
	case ReturnServer:
		return s.returnServer(c)
	case OpenSession:
		return s.openSession(meta, c, policies)
	case CloseSession:
		return s.closeSession(c)
	case Leave:
		return s.leave(c)
	case Cordon:
		return s.cordon(meta, c)
	case Uncordon:
		return s.uncordon(meta, c)
	case Drain:
		return s.drain(meta, c)
	case CancelDrain:
		return s.cancelDrain(meta, c)
	case FinishDrain:
		return s.finishDrain(c, held)
	case StallDrain:
		return s.stallDrain(meta, c)
	case Maintain:
		return s.maintain(meta, c, policies)
	case Update:
		return s.update(meta, c)
	}
	return nil, commands.BadField("command", "a command of membership", "%q is none", cmd.CommandName())
}

func (s *State) joinServer(c JoinServer) ([]*eventsv1.Event, error) {
	c.Node.Role = ServerRole
	if err := c.Node.Check(); err != nil {
		return nil, err
	}
	old, known := s.Node(c.Node.NodeID)
	if known && old.Role != ServerRole && !old.Left {
		return nil, commands.Refuse("node_exists", "%q is a node with role %s", old.NodeID, old.Role)
	}
	if err := keepOperators(old, &c.Node); err != nil {
		return nil, err
	}
	evs := describe(old, known, c.Node)
	if old.Lost != 0 && !old.Left { // who says what it is takes part
		evs = append(evs, returned(old.NodeID))
	}
	return evs, nil
}

// server returns a server of the control plane.
func (s *State) server(id string) (Node, error) {
	n, ok := s.Node(id)
	switch {
	case !ok:
		return Node{}, commands.Missing("node", id)
	case n.Role != ServerRole || n.Left:
		return Node{}, commands.Refuse("node_not_server", "node %q has role %s and is no server of the control plane", id, n.Role)
	}
	return n, nil
}

func (s *State) loseServer(c LoseServer) ([]*eventsv1.Event, error) {
	n, err := s.server(c.NodeID)
	if err != nil {
		return nil, err
	}
	switch c.Cause {
	case eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_SILENT, eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_STOPPED:
	default:
		return nil, commands.BadField("cause", "silent, stopped", "is %d", c.Cause)
	}
	if n.Lost >= c.Cause { // a word of its own says more than silence
		return nil, nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ServerLost{ServerLost: &eventsv1.ServerLost{NodeId: c.NodeID, Cause: c.Cause}}}}, nil
}

func (s *State) returnServer(c ReturnServer) ([]*eventsv1.Event, error) {
	n, err := s.server(c.NodeID)
	if err != nil || n.Lost == 0 {
		return nil, err
	}
	return []*eventsv1.Event{returned(c.NodeID)}, nil
}

func returned(server string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_ServerReturned{ServerReturned: &eventsv1.ServerReturned{NodeId: server}}}
}

// describe is the event that brings the registry to this descriptor, if one is
// needed.
func describe(old Node, known bool, d Descriptor) []*eventsv1.Event {
	switch {
	case !known || old.Left:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_NodeJoined{NodeJoined: &eventsv1.NodeJoined{Node: d.proto()}}}}
	case !old.Descriptor.equal(d):
		return []*eventsv1.Event{updated(d)}
	}
	return nil
}

func updated(d Descriptor) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NodeUpdated{NodeUpdated: &eventsv1.NodeUpdated{Node: d.proto()}}}
}

func (s *State) openSession(meta commands.Meta, c OpenSession, policies Policies) ([]*eventsv1.Event, error) {
	if err := c.Node.Check(); err != nil {
		return nil, err
	}
	if c.Node.Role == ServerRole {
		return nil, commands.BadField("role", "any name but \"server\"", "is reserved for servers of the control plane")
	}
	if c.SecretHash == (events.Hash{}) {
		return nil, commands.BadField("secret", "at least 16 bytes", "is missing")
	}
	if c.Incarnation == 0 {
		return nil, commands.BadField("incarnation", "1 or more", "is missing")
	}
	old, known := s.Node(c.Node.NodeID)
	if known && old.Role == ServerRole && !old.Left {
		return nil, commands.Refuse("node_is_server", "%q is a server of the control plane", old.NodeID)
	}
	if err := mayOpen(old, c); err != nil {
		return nil, err
	}
	var evs []*eventsv1.Event
	if old.Session != 0 {
		evs = append(evs, closed(old.NodeID, old.Session, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED))
	}
	if err := keepOperators(old, &c.Node); err != nil {
		return nil, err
	}
	evs = append(evs, describe(old, known, c.Node)...)
	return append(evs, &eventsv1.Event{Kind: &eventsv1.Event_SessionOpened{SessionOpened: &eventsv1.SessionOpened{
		NodeId: c.Node.NodeID, TtlMs: uint32(policies.SessionTTL() / time.Millisecond),
		SecretHash: c.SecretHash[:], Incarnation: c.Incarnation,
	}}}), nil
}

// keepOperators adds to a node's descriptor what operators put on it before it
// restarted. Their weight holds, also over a leave, as a cordon does. Where both
// name a label, the node's own word holds; both together keep the bound, which
// restarts with ever new labels would pass.
func keepOperators(old Node, d *Descriptor) error {
	if old.WeightSet {
		d.Weight = old.Weight
	}
	if old.Left || len(old.Labels) == 0 {
		return nil
	}
	merged := maps.Clone(old.Labels)
	maps.Copy(merged, d.Labels)
	d.Labels = merged
	return commands.CheckLabels("labels", merged)
}

// mayOpen refuses a process that does not follow the one that had the last
// session. Who shows the same secret holds the same data directory; the
// incarnation says which of its processes it is, so that an open that was long on
// its way replaces nothing.
func mayOpen(old Node, c OpenSession) error {
	ours := sameSecret(old.SecretHash, c.SecretHash)
	switch {
	case old.Session != 0 && !ours:
		return commands.Refuse("session_exists", "node %q has a live session (%d) of another process", old.NodeID, old.Session)
	case ours && c.Incarnation < old.Incarnation:
		return commands.Refuse("incarnation_stale", "process %d of node %q is followed by process %d", c.Incarnation, old.NodeID, old.Incarnation)
	case old.Session != 0 && c.Incarnation == old.Incarnation:
		return commands.Refuse("session_exists", "process %d of node %q has session %d already; repeat the open with its first key to be told so", c.Incarnation, old.NodeID, old.Session)
	}
	return nil
}

func sameSecret(a, b events.Hash) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func closed(node string, session events.Position, cause eventsv1.SessionCloseCause) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_SessionClosed{SessionClosed: &eventsv1.SessionClosed{
		NodeId: node, Session: uint64(session), Cause: cause,
	}}}
}

func (s *State) session(node string, session events.Position) (Node, error) {
	n, ok := s.Node(node)
	if !ok {
		return Node{}, commands.Missing("node", node)
	}
	if session == 0 || n.Session != session {
		return Node{}, commands.Refuse("session_not_found", "node %q has no session %d now", node, session)
	}
	return n, nil
}

func (s *State) closeSession(c CloseSession) ([]*eventsv1.Event, error) {
	n, err := s.session(c.NodeID, c.Session)
	switch {
	case err != nil:
		return nil, err
	case n.Closing != 0: // whoever asks may have seen an older state
		c.Cause = n.Closing
	case c.Cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED:
		return nil, commands.Refuse("session_not_closing", "session %d of %q is not going to be closed by force", c.Session, c.NodeID)
	}
	return []*eventsv1.Event{closed(c.NodeID, c.Session, c.Cause)}, nil
}

func (s *State) leave(c Leave) ([]*eventsv1.Event, error) {
	n, err := s.session(c.NodeID, c.Session)
	if err != nil {
		return nil, err
	}
	if !sameSecret(n.SecretHash, c.SecretHash) {
		return nil, commands.Refuse("secret_mismatch", "the secret is not the one that session %d of %q was opened with", c.Session, c.NodeID)
	}
	return []*eventsv1.Event{
		closed(c.NodeID, c.Session, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT),
		{Kind: &eventsv1.Event_NodeLeft{NodeLeft: &eventsv1.NodeLeft{NodeId: c.NodeID}}},
	}, nil
}

// present returns a node that is in the mesh and has the version asked for.
func (s *State) present(meta commands.Meta, id string) (Node, error) {
	n, ok := s.Node(id)
	if !ok {
		return Node{}, commands.Missing("node", id)
	}
	if n.Left {
		return Node{}, commands.Refuse("node_left", "node %q left the mesh", id)
	}
	return n, commands.CheckVersion(meta, "node", id, n.Version)
}

func (s *State) update(meta commands.Meta, c Update) ([]*eventsv1.Event, error) {
	n, err := s.present(meta, c.NodeID)
	if err != nil {
		return nil, err
	}
	d := n.Descriptor
	d.Labels = maps.Clone(d.Labels)
	for k, v := range c.Labels {
		if v == "" {
			delete(d.Labels, k)
			continue
		}
		if d.Labels == nil {
			d.Labels = map[string]string{}
		}
		d.Labels[k] = v
	}
	if c.Weight != nil {
		d.Weight = *c.Weight
	}
	if err := d.Check(); err != nil {
		return nil, err
	}
	if n.Descriptor.equal(d) {
		return nil, nil
	}
	return []*eventsv1.Event{updated(d)}, nil
}
