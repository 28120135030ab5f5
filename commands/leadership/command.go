package leadership

import "github.com/omnirelay/omnirelay/events"

// Campaign asks to lead a scope, now or when it becomes vacant.
type Campaign struct {
	Scope    string
	NodeID   string
	Session  events.Position
	Priority int32
	Labels   map[string]string
}

// Resign gives up a scope, or a candidacy for it. Session 0 means whatever
// session of the node; term 0 means the present one.
type Resign struct {
	Scope   string
	NodeID  string
	Session events.Position
	Term    events.Position
}

// Elect grants vacant scopes to their best candidates. Scopes that are not
// vacant, or without candidate, are passed over.
type Elect struct {
	Scopes []string
}

// GrantControl logs that a server leads the control plane. The caller holds
// the authority stream.
type GrantControl struct {
	Server string
}

// CommandName implements commands.Command.
func (Campaign) CommandName() string     { return "leadership.Campaign" }
func (Resign) CommandName() string       { return "leadership.Resign" }
func (Elect) CommandName() string        { return "leadership.Elect" }
func (GrantControl) CommandName() string { return "leadership.GrantControl" }
