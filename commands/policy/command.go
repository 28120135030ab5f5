package policy

import "time"

// SessionKind is the kind of the policy that gives sessions their time to live.
const SessionKind = "session"

// DefaultName is the policy that holds where no other is more specific.
const DefaultName = "default"

// The bounds and the default of a session's time to live.
const (
	MinSessionTTL     = 500 * time.Millisecond
	MaxSessionTTL     = time.Hour
	DefaultSessionTTL = 5 * time.Second
)

// SetSession sets the time to live of sessions that are opened from now on, in
// whole milliseconds; what is beyond them is cut off.
type SetSession struct {
	TTL time.Duration
}

// QuarantineKind is the kind of the policy that says when shards are quarantined.
const QuarantineKind = "quarantine"

// The bounds of the quarantine policy.
const (
	MaxQuarantineDeaths = 10
	MinQuarantineWindow = time.Second
	MaxQuarantineWindow = 24 * time.Hour
	MaxQuarantineAtOnce = 100
)

// Quarantine says when a shard is taken out of service: see package shard.
type Quarantine struct {
	Deaths    uint32        `cbor:"1,keyasint"`
	Window    time.Duration `cbor:"2,keyasint"`
	MaxAtOnce uint32        `cbor:"3,keyasint"`
	Disabled  bool          `cbor:"4,keyasint,omitempty"`
}

// DefaultQuarantine is the policy while it was never set: two owners that die in
// a row, each within ten minutes, and three shards at once at most.
func DefaultQuarantine() Quarantine {
	return Quarantine{Deaths: 2, Window: 10 * time.Minute, MaxAtOnce: 3}
}

// SetQuarantine changes the fields that are not nil of when shards are
// quarantined.
type SetQuarantine struct {
	Deaths    *uint32
	Window    *time.Duration
	MaxAtOnce *uint32
	Disabled  *bool
}

// CommandName implements commands.Command.
func (SetSession) CommandName() string    { return "policy.SetSession" }
func (SetQuarantine) CommandName() string { return "policy.SetQuarantine" }
