package membership

import (
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Heir is the present session of a node if it was opened from the data directory
// of an earlier one, and is not going to be closed; 0 otherwise. The directory is
// used by one process at a time, so that what the earlier session owned is in the
// hands of the process that has the heir, or in nobody's. A session of another
// directory with the same node id is no heir: the process that had the earlier one
// may still run.
func (s *State) Heir(node string, session events.Position) events.Position {
	n, ok := s.nodes.Get(node)
	if !ok || n.Left || n.Closing != 0 || !n.sameDirectory(session) || n.Session <= session {
		return 0
	}
	return n.Session
}

// Departed reports whether the node left the mesh from the data directory of this
// session, which is closed: a node leaves after all its releases, so nothing that
// the session owned is in use.
func (s *State) Departed(node string, session events.Position) bool {
	n, ok := s.nodes.Get(node)
	return ok && n.Left && n.Session == 0 && n.sameDirectory(session)
}

// sameDirectory reports whether a session is of the same data directory as the last
// one. One that came before a session of another directory is not, whatever its
// secret was: that is not remembered.
func (n *Node) sameDirectory(session events.Position) bool {
	return n.Directory != 0 && session >= n.Directory
}

// BeginClose is what is logged when a session is to be closed although its lease
// may live; none when that is so already, or when the session is not the node's
// present one.
func (s *State) BeginClose(node string, session events.Position, cause eventsv1.SessionCloseCause) []*eventsv1.Event {
	n, ok := s.nodes.Get(node)
	if !ok || session == 0 || n.Session != session || n.Closing != 0 {
		return nil
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_SessionClosing{SessionClosing: &eventsv1.SessionClosing{
		NodeId: node, Session: uint64(session), Cause: cause,
	}}}}
}
