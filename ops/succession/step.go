package succession

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
)

// maxElections bounds the scopes of one command.
const maxElections = 1000

// Succession is the controller.
type Succession struct{}

// New returns the controller.
func New() *Succession { return &Succession{} }

// Name implements the loop's controller.
func (*Succession) Name() string { return "succession" }

// Step implements the loop's controller.
func (*Succession) Step(v sequencer.View, _ sequencer.Now) ([]commands.Command, time.Duration) {
	var cmds []commands.Command
	var scopes []string
	v.Model.Leadership.EachScope(func(sc leadership.Scope) bool {
		if sc.Holder == "" && electable(v.Model, sc) {
			scopes = append(scopes, sc.Name)
		}
		if len(scopes) == maxElections {
			cmds, scopes = append(cmds, leadership.Elect{Scopes: scopes}), nil
		}
		return true
	})
	if len(scopes) > 0 {
		cmds = append(cmds, leadership.Elect{Scopes: scopes})
	}
	return cmds, time.Minute
}

// electable reports whether an election would find a winner: asking where none
// can win would be asking for ever.
func electable(m *model.Model, sc leadership.Scope) bool {
	for _, c := range sc.Candidates {
		if n, ok := m.Membership.Node(c.NodeID); ok && n.Session == c.Session && !n.Cordoned {
			return true
		}
	}
	return false
}
