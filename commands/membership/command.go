package membership

import (
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// ServerRole is the role of the control plane's own nodes.
const ServerRole = "server"

// JoinServer registers a server of the control plane, or what changed of it.
type JoinServer struct {
	Node Descriptor
}

// LoseServer notes that a server does not take part any more. One that was noted
// as silent may be noted as stopped afterwards, never the other way round.
type LoseServer struct {
	NodeID string
	Cause  eventsv1.ServerLossCause
}

// ReturnServer notes that a lost server takes part again.
type ReturnServer struct{ NodeID string }

// OpenSession joins a node and starts its lease.
type OpenSession struct {
	Node Descriptor
	// SecretHash is the SHA-256 of the secret in the node's data directory.
	SecretHash events.Hash
	// Incarnation counts the processes that used the data directory, from 1.
	Incarnation uint64
}

// CloseSession ends a lease whose timer ran out.
type CloseSession struct {
	NodeID  string
	Session events.Position
	Cause   eventsv1.SessionCloseCause
}

// Leave is the holder's own goodbye, after its releases.
type Leave struct {
	NodeID     string
	Session    events.Position
	SecretHash events.Hash
}

// Cordon stops new assignments to a node; what it has it keeps.
type Cordon struct{ NodeID string }

// Uncordon takes a cordon back.
type Uncordon struct{ NodeID string }

// Drain makes a node give away what it has, and take nothing new. For a node that
// is draining it gives a new deadline.
type Drain struct {
	NodeID string
	// Within is how long the node has; 0 is [DefaultDrainWithin]. It is cut to
	// milliseconds.
	Within time.Duration
}

// CancelDrain makes a draining node active again.
type CancelDrain struct{ NodeID string }

// FinishDrain notes that a draining node has nothing left. The control leader asks
// for it when the node's session, or its lack of one (0), says that it holds
// nothing.
type FinishDrain struct {
	NodeID  string
	Session events.Position
}

// StallDrain notes what blocks a drain whose deadline has passed.
type StallDrain struct {
	NodeID   string
	Blockers []Blocker
	// More were left out.
	More uint32
}

// Blocker is one thing that keeps a node from being drained.
type Blocker struct{ Kind, Reference, Reason string }

// Maintain brings a node to what the maintenance windows in force want of it, or
// back from there.
type Maintain struct{ NodeID string }

// Update changes labels and weight of a node. A label with an empty value is
// removed; a nil Weight stays.
type Update struct {
	NodeID string
	Labels map[string]string
	Weight *float64
}

// CommandName implements commands.Command.
func (JoinServer) CommandName() string   { return "membership.JoinServer" }
func (LoseServer) CommandName() string   { return "membership.LoseServer" }
func (ReturnServer) CommandName() string { return "membership.ReturnServer" }
func (OpenSession) CommandName() string  { return "membership.OpenSession" }
func (CloseSession) CommandName() string { return "membership.CloseSession" }
func (Leave) CommandName() string        { return "membership.Leave" }
func (Cordon) CommandName() string       { return "membership.Cordon" }
func (Uncordon) CommandName() string     { return "membership.Uncordon" }
func (Drain) CommandName() string        { return "membership.Drain" }
func (CancelDrain) CommandName() string  { return "membership.CancelDrain" }
func (FinishDrain) CommandName() string  { return "membership.FinishDrain" }
func (StallDrain) CommandName() string   { return "membership.StallDrain" }
func (Maintain) CommandName() string     { return "membership.Maintain" }
func (Update) CommandName() string       { return updateName }

// updateName is in the meta of every update that is stored: it never changes.
const updateName = "membership.Update"
