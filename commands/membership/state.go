package membership

import (
	"slices"
	"time"

	"github.com/tidwall/btree"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Node is a member of the mesh, present or past.
type Node struct {
	Descriptor
	Version uint64 `cbor:"20,keyasint"`
	Left    bool   `cbor:"22,keyasint,omitempty"`
	// Session is the present session; 0 without one.
	Session events.Position `cbor:"23,keyasint,omitempty"`
	// TTL is that of the present session, SecretHash that of the last one.
	TTL        time.Duration `cbor:"24,keyasint,omitempty"`
	SecretHash events.Hash   `cbor:"25,keyasint,omitempty"`
	// Incarnation of the process that opened the last session. Like SecretHash it
	// outlives the session.
	Incarnation uint64 `cbor:"26,keyasint,omitempty"`
	// WeightSet: an operator gave the weight, and what the node says of it itself
	// does not count any more.
	WeightSet bool `cbor:"27,keyasint,omitempty" json:"-"`
	// Lost is why a server does not take part; 0 when it does, as far as is known.
	Lost eventsv1.ServerLossCause `cbor:"28,keyasint,omitempty" json:",omitempty"`

	Lifecycle Lifecycle `cbor:"40,keyasint,omitempty"`
	// Window is the maintenance window that put the node into its lifecycle; empty
	// when an operator did. Held: an operator had cordoned it before the window.
	Window string `cbor:"41,keyasint,omitempty" json:",omitempty"`
	Held   bool   `cbor:"42,keyasint,omitempty" json:",omitempty"`
	// Waived is when an operator opened the node last, log time: windows that were
	// in force then do not close it again.
	Waived int64 `cbor:"43,keyasint,omitempty" json:",omitempty"`
	// Of the drain that is under way, log times. Stalled: the deadline was noted as
	// passed.
	DrainStarted  int64 `cbor:"44,keyasint,omitempty" json:",omitempty"`
	DrainDeadline int64 `cbor:"45,keyasint,omitempty" json:",omitempty"`
	Stalled       bool  `cbor:"46,keyasint,omitempty" json:",omitempty"`

	// Directory is the first session of those that were opened, one after the other,
	// with the secret of the last: they are of one data directory.
	Directory events.Position `cbor:"50,keyasint,omitempty" json:"-"`
	// Closing is why the present session is going to be closed; 0 while it is not.
	Closing eventsv1.SessionCloseCause `cbor:"51,keyasint,omitempty" json:",omitempty"`
}

// State holds the nodes. The zero State has none. It has one owner.
type State struct {
	// nodes are shared between states: a change replaces one, and never writes
	// to it. Pointers, because the tree copies a page of them at a time.
	nodes btree.Map[string, *Node]
	// servers are the ids of those with role server, in their order: few among
	// many. Shared between states, so that a change makes a new one.
	servers []string
}

// Clone returns an independent state that shares what neither changes.
func (s *State) Clone() *State { return &State{nodes: *s.nodes.Copy(), servers: s.servers} }

// Node returns a node by its id.
func (s *State) Node(id string) (Node, bool) {
	n, ok := s.nodes.Get(id)
	if !ok {
		return Node{}, false
	}
	return *n, true
}

// EachNode calls fn for every node in the order of their ids, until it returns
// false.
func (s *State) EachNode(fn func(Node) bool) {
	s.nodes.Scan(func(_ string, n *Node) bool { return fn(*n) })
}

// EachServer calls fn for every server in the order of their ids, until it
// returns false.
func (s *State) EachServer(fn func(Node) bool) {
	for _, id := range s.servers {
		if n, ok := s.Node(id); ok && !fn(n) {
			return
		}
	}
}

// SessionIs reports whether the node's present session is this one.
func (s *State) SessionIs(node string, session events.Position) bool {
	n, ok := s.nodes.Get(node)
	return ok && session != 0 && n.Session == session
}

// Image is the whole state in the order of node ids, for snapshots.
func (s *State) Image() []Node {
	image := make([]Node, 0, s.nodes.Len())
	s.EachNode(func(n Node) bool {
		image = append(image, n)
		return true
	})
	return image
}

// FromImage is the state that had this image.
func FromImage(image []Node) *State {
	s := &State{}
	for _, n := range image {
		s.set(&n)
	}
	return s
}

// Evolve applies a recorded event; those of other contexts change nothing.
func (s *State) Evolve(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_NodeJoined:
		s.change(e.NodeJoined.GetNode().GetNodeId(), func(n *Node) {
			n.WeightSet = n.WeightSet && n.Weight == e.NodeJoined.GetNode().GetWeight()
			n.Descriptor, n.Left, n.Lost = fromProto(e.NodeJoined.Node), false, 0
		})
	case *eventsv1.Event_NodeUpdated:
		s.change(e.NodeUpdated.GetNode().GetNodeId(), func(n *Node) {
			// The event is the same whoever asked; the decision says which command it
			// was. Before operators' weights held, a restart could take one back.
			if n.Weight != e.NodeUpdated.GetNode().GetWeight() {
				n.WeightSet = r.Meta.GetCommand() == updateName
			}
			n.Descriptor = fromProto(e.NodeUpdated.Node)
		})
	case *eventsv1.Event_NodeLeft:
		s.change(e.NodeLeft.NodeId, func(n *Node) { n.Left = true })
	case *eventsv1.Event_NodeCordoned:
		s.change(e.NodeCordoned.NodeId, func(n *Node) { n.evolveCordon(e.NodeCordoned) })
	case *eventsv1.Event_NodeUncordoned:
		s.change(e.NodeUncordoned.NodeId, func(n *Node) { n.reopen(r, e.NodeUncordoned.Window) })
	case *eventsv1.Event_NodeDrainStarted:
		s.change(e.NodeDrainStarted.NodeId, func(n *Node) { n.evolveDrain(r, e.NodeDrainStarted) })
	case *eventsv1.Event_NodeDrainCancelled:
		s.change(e.NodeDrainCancelled.NodeId, func(n *Node) { n.reopen(r, e.NodeDrainCancelled.Window) })
	case *eventsv1.Event_NodeDrained:
		s.change(e.NodeDrained.NodeId, (*Node).evolveDrained)
	case *eventsv1.Event_NodeDrainStalled:
		s.change(e.NodeDrainStalled.NodeId, func(n *Node) { n.Stalled = true })
	case *eventsv1.Event_ServerLost:
		s.change(e.ServerLost.NodeId, func(n *Node) { n.Lost = e.ServerLost.Cause })
	case *eventsv1.Event_ServerReturned:
		s.change(e.ServerReturned.NodeId, func(n *Node) { n.Lost = 0 })
	case *eventsv1.Event_SessionOpened:
		s.change(e.SessionOpened.NodeId, func(n *Node) {
			n.opened(r.Position, e.SessionOpened)
		})
	case *eventsv1.Event_SessionClosing:
		s.change(e.SessionClosing.NodeId, func(n *Node) {
			if n.Session == events.Position(e.SessionClosing.Session) {
				n.Closing = e.SessionClosing.Cause
			}
		})
	case *eventsv1.Event_SessionClosed:
		s.change(e.SessionClosed.NodeId, func(n *Node) {
			if n.Session == events.Position(e.SessionClosed.Session) {
				n.Session, n.TTL, n.Closing = 0, 0, 0
			}
		})
	}
}

// opened begins a session. A node without a secret shows nothing, and so not that
// it is of the data directory that it was before.
func (n *Node) opened(at events.Position, e *eventsv1.SessionOpened) {
	var secret events.Hash
	copy(secret[:], e.SecretHash)
	if n.Directory == 0 || secret == (events.Hash{}) || !sameSecret(secret, n.SecretHash) {
		n.Directory = at
	}
	n.Session, n.TTL, n.Closing = at, time.Duration(e.TtlMs)*time.Millisecond, 0
	n.SecretHash, n.Incarnation = secret, e.Incarnation
}

func (s *State) change(id string, fn func(*Node)) {
	n, _ := s.Node(id)
	fn(&n)
	n.NodeID = id
	n.Version++
	s.set(&n)
}

// set puts a node in, and keeps the list of servers.
func (s *State) set(n *Node) {
	s.nodes.Set(n.NodeID, n)
	at, listed := slices.BinarySearch(s.servers, n.NodeID)
	switch {
	case listed && n.Role != ServerRole:
		s.servers = slices.Delete(slices.Clone(s.servers), at, at+1)
	case !listed && n.Role == ServerRole:
		s.servers = slices.Insert(slices.Clone(s.servers), at, n.NodeID)
	}
}
