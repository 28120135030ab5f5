package model

import (
	"strings"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// EvolveVersion is the version of what Evolve does. A snapshot of another
// version is dropped and the log replayed.
const EvolveVersion = 5

// Model is the write model at one position. It has one owner until it is
// frozen by Clone.
type Model struct {
	Control    control.State
	Policy     *policy.State
	Membership *membership.State
	Leadership *leadership.State
	Shard      *shard.State

	keys keys
	// Position of the last event, and the time of its frame.
	Position events.Position
	Time     int64
	// Unknown is the first position of an event that this release does not
	// know; 0 while there is none.
	Unknown events.Position

	frozen bool
}

// New returns the model of an empty log.
func New() *Model {
	return &Model{
		Policy: &policy.State{}, Membership: &membership.State{},
		Leadership: &leadership.State{}, Shard: shard.NewState(), keys: keys{token: &token{}},
	}
}

// Clone returns an independent model and freezes the original.
func (m *Model) Clone() *Model {
	m.frozen = true
	return &Model{
		Control: m.Control, Policy: m.Policy.Clone(), Membership: m.Membership.Clone(),
		Leadership: m.Leadership.Clone(), Shard: m.Shard.Clone(), keys: m.keys.clone(),
		Position: m.Position, Time: m.Time, Unknown: m.Unknown,
	}
}

// Freeze makes the model a value that anyone may read and nobody evolves.
func (m *Model) Freeze() {
	m.frozen = true
	m.Shard.Freeze()
}

// Decide decides a command, without its idempotency key: see [Model.Recall].
func (m *Model) Decide(meta commands.Meta, cmd commands.Command) ([]*eventsv1.Event, error) {
	if meta.Actor == "" {
		return nil, &commands.Rejected{Kind: commands.Invalid, Reason: "actor_missing", Field: "actor", Message: "a command needs an actor"} // C4
	}
	if err := m.Control.Admit(cmd); err != nil {
		return nil, err
	}
	context, _, _ := strings.Cut(cmd.CommandName(), ".")
	switch context {
	case "control":
		return m.Control.Decide(meta, cmd)
	case "policy":
		if c, ok := cmd.(policy.SetSession); ok {
			return m.Policy.Decide(meta, c)
		}
	case "membership":
		return m.Membership.Decide(meta, cmd, m.Policy)
	case "leadership":
		return m.Leadership.Decide(meta, cmd, m.nodes())
	case "shard":
		return m.Shard.Decide(meta, cmd, m.nodes())
	}
	return nil, unknownCommand(cmd.CommandName())
}

func unknownCommand(name string) *commands.Rejected {
	return &commands.Rejected{Kind: commands.Invalid, Reason: "command_unknown", Message: name + " is no command"}
}

// Evolve applies a recorded event to every context. It panics when the model is
// frozen: others read it.
func (m *Model) Evolve(r events.Recorded) {
	if m.frozen {
		panic("model: evolve of a frozen model at position " + r.Position.String())
	}
	m.Control.Evolve(r)
	m.Policy.Evolve(r)
	m.Membership.Evolve(r)
	m.Leadership.Evolve(r)
	m.Shard.Evolve(r)
	m.keys.evolve(r)
	if r.Event.Kind == nil && m.Unknown == 0 {
		m.Unknown = r.Position
	}
	m.Position, m.Time = r.Position, r.Time
}

// EvolveFrame applies all events of a frame.
func (m *Model) EvolveFrame(f *eventsv1.Frame) {
	_ = events.Each(f, func(r events.Recorded) error { // fn never fails
		m.Evolve(r)
		return nil
	})
}
