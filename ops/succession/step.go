package succession

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// The bounds of one command: its scopes, and about how many bytes their grants
// take. A decision that no frame holds is refused, however often it is asked for,
// and a candidate's labels alone may be 24 KiB.
const (
	maxElections  = 1000
	maxGrantBytes = events.MaxFrameBytes / 2
)

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
	size := 0
	v.Model.Leadership.EachScope(func(sc leadership.Scope) bool {
		if sc.Holder != "" || !electable(v.Model, sc) {
			return true
		}
		n := grantBytes(sc)
		if len(scopes) == maxElections || len(scopes) > 0 && size+n > maxGrantBytes {
			cmds, scopes, size = append(cmds, leadership.Elect{Scopes: scopes}), nil, 0
		}
		scopes, size = append(scopes, sc.Name), size+n
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
		if n, _ := m.Membership.Node(c.NodeID); m.SessionLives(c.NodeID, c.Session) && n.Lifecycle == membership.Active {
			return true
		}
	}
	return false
}

// grantBytes is more than the grant of a scope takes, whoever of its candidates
// gets it.
func grantBytes(sc leadership.Scope) int {
	const perField = 16 // of lengths and numbers
	most := 0
	for _, c := range sc.Candidates {
		n := len(c.NodeID)
		for k, v := range c.Labels {
			n += len(k) + len(v) + perField
		}
		most = max(most, n)
	}
	return len(sc.Name) + most + 4*perField
}
