package shard

import (
	"time"

	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Timing of handoffs.
const (
	// MoveDeadline is how long a target has to prepare, and then an owner to
	// release.
	MoveDeadline = 30 * time.Second
	// MoveHold is how long a shard that was moved by hand, or whose move failed,
	// is left alone.
	MoveHold = 10 * time.Minute
)

// MaxOwnershipTTL bounds the time that an ownership goes on without an answered
// heartbeat of its owner.
const MaxOwnershipTTL = time.Hour

// MaxTotal bounds the shards of all namespaces together: the whole state is in
// memory on every server, some 150 bytes for each shard, and what the log holds
// is read again at every start.
const MaxTotal = 4_000_000

// DefaultRole is the role of nodes that a namespace is placed on.
const DefaultRole = "worker"

// Spec is what a namespace is.
type Spec struct {
	ShardCount   uint32             `cbor:"1,keyasint"`
	Strategy     string             `cbor:"2,keyasint"`
	Ownership    eventsv1.Ownership `cbor:"3,keyasint"`
	OwnershipTTL time.Duration      `cbor:"4,keyasint,omitempty"`
	EligibleRole string             `cbor:"5,keyasint"`
	CapacityHint float64            `cbor:"6,keyasint,omitempty"`
	// Overlap: between release and assignment the old owner may answer reads.
	Overlap bool `cbor:"7,keyasint,omitempty" json:",omitempty"`
	// Rules are nil where they ask for nothing. They are never written to.
	Rules *placement.Rules `cbor:"20,keyasint,omitempty" json:",omitempty"`
	// Readers that each shard has beside its owner.
	Readers uint32 `cbor:"21,keyasint,omitempty" json:",omitempty"`
	// LoadBound of ring and rendezvous, in thousandths of the mean; 0 is none.
	LoadBound uint32 `cbor:"22,keyasint,omitempty" json:",omitempty"`
}

// Create makes a namespace. Zero fields of the spec get their defaults.
type Create struct {
	Namespace string
	Spec      Spec
}

// Update changes the fields that are not nil.
type Update struct {
	Namespace    string
	ShardCount   *uint32
	Strategy     *string
	EligibleRole *string
	CapacityHint *float64
	Overlap      *bool
	// Rules replace all others; empty ones take them away.
	Rules     *placement.Rules
	Readers   *uint32
	LoadBound *uint32
}

// Delete asks for the end of a namespace: owners release first.
type Delete struct{ Namespace string }

// FinishDelete ends a namespace that nobody owns shards of any more.
type FinishDelete struct{ Namespace string }

// Target is where shards are put.
type Target struct {
	NodeID  string
	Session events.Position
	Shards  []uint32
}

// Assign places unowned shards.
type Assign struct {
	Namespace string
	Targets   []Target
}

// Move asks, by an operator, that shards go to a node and stay there for
// [MoveHold]: the target prepares, then the owner releases. Unowned ones go at
// once.
type Move struct {
	Namespace string
	Shards    []uint32
	To        string
	// Force takes them from owners that do not release: the session of an owner is
	// closed, and one that is silent is passed over as the ownership mode allows.
	Force bool
}

// Rebalance asks, for balance, that shards go from their owners to others.
type Rebalance struct {
	Namespace string
	Moves     []Relocation
	// Drain is set when the owners are being drained: holds do not count then (S9).
	Drain bool
	// Constraint: not for balance but because the rules forbid the shards where
	// they are.
	Constraint bool
}

// PlaceReaders takes readers from shards and gives them others, in one decision.
type PlaceReaders struct {
	Namespace string
	Release   []Target
	Assign    []Target
}

// Relocation is one group of shards of a Rebalance, all owned by From.
type Relocation struct {
	From, To string
	Shards   []uint32
}

// Rebind binds the shards that an ended session of a node still owns to the session
// that the node opened since from the same data directory.
type Rebind struct {
	Namespace string
	NodeID    string
	// From is the ended session, Session the present one.
	From, Session events.Position
	Shards        []uint32
}

// ExpireOwnership releases what an ended session still owns in these namespaces.
// Whoever asks has waited for as long as its ownership goes on.
type ExpireOwnership struct {
	NodeID     string
	Session    events.Position
	Namespaces []string
}

// MaxExpired bounds the namespaces of one ExpireOwnership.
const MaxExpired = 1000

// AskRelease logs that the target of moves has prepared, so that the owners are
// asked to release. Shards that do not move there, or whose fence is not the
// current one, are passed over.
type AskRelease struct {
	Namespace string
	NodeID    string
	Session   events.Position
	Shards    []Prepared
}

// Prepared is one shard that the target of its move has prepared, and the fence
// that its owner has.
type Prepared struct {
	Shard uint32
	Fence events.Position
}

// Released is one shard that its owner released, and the fence it had.
type Released struct {
	Shard uint32
	Fence events.Position
}

// Release logs that an owner released. Shards whose fence is not the current
// one are passed over. A shard goes to the target of its move, or to Else.
type Release struct {
	Namespace string
	NodeID    string
	Session   events.Position
	Shards    []Released
	// Else is where shards go that have no move, or whose target is no longer
	// eligible; those it does not name stay unowned.
	Else []Target
}

// FailMoves gives up moves whose target did not prepare, or whose owner did not
// release, by the deadline.
type FailMoves struct {
	Namespace string
	Shards    []uint32
}

// CancelMoves takes moves back, in either stage, that are not released yet.
type CancelMoves struct {
	Namespace string
	Shards    []uint32
	// TargetLost is set by the controller: refused while the target is eligible.
	TargetLost bool
	// DrainOver is set by the controller: refused for moves that are not of a drain,
	// and while the owner is draining.
	DrainOver bool
}

// Pause stops shards from moving and from being placed.
type Pause struct {
	Namespace string
	Shards    []uint32
}

// Resume takes a pause back.
type Resume struct {
	Namespace string
	Shards    []uint32
}

// CommandName implements commands.Command.
func (Create) CommandName() string          { return "shard.Create" }
func (Update) CommandName() string          { return "shard.Update" }
func (Delete) CommandName() string          { return "shard.Delete" }
func (FinishDelete) CommandName() string    { return "shard.FinishDelete" }
func (Assign) CommandName() string          { return "shard.Assign" }
func (Move) CommandName() string            { return "shard.Move" }
func (Rebalance) CommandName() string       { return "shard.Rebalance" }
func (PlaceReaders) CommandName() string    { return "shard.PlaceReaders" }
func (AskRelease) CommandName() string      { return "shard.AskRelease" }
func (Release) CommandName() string         { return "shard.Release" }
func (Rebind) CommandName() string          { return "shard.Rebind" }
func (ExpireOwnership) CommandName() string { return "shard.ExpireOwnership" }
func (FailMoves) CommandName() string       { return "shard.FailMoves" }
func (CancelMoves) CommandName() string     { return "shard.CancelMoves" }
func (Pause) CommandName() string           { return "shard.Pause" }
func (Resume) CommandName() string          { return "shard.Resume" }
