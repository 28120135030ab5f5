package maintenance

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
)

// maxNodes bounds the nodes that are asked for in one step; the others come in the
// next, which the decisions of this one wake.
const maxNodes = 200

// Maintenance is the controller.
type Maintenance struct{}

// New returns the controller.
func New() *Maintenance { return &Maintenance{} }

// Name implements the loop's controller.
func (*Maintenance) Name() string { return "maintenance" }

// Step implements the loop's controller.
func (*Maintenance) Step(v sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	// A decision's time is never below the log's: neither is this one.
	logTime := max(now.Wall, v.Model.Time)
	due := v.Model.MaintenanceDue(logTime)
	var cmds []commands.Command
	for _, id := range due[:min(len(due), maxNodes)] {
		cmds = append(cmds, membership.Maintain{NodeID: id})
	}
	next := time.Minute
	if at := v.Model.Policy.Boundary(logTime); at != 0 {
		next = min(next, time.Duration(at-logTime)+time.Millisecond)
	}
	return cmds, next
}
