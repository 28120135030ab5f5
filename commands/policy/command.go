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

// CommandName implements commands.Command.
func (SetSession) CommandName() string { return "policy.SetSession" }
