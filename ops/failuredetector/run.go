package failuredetector

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// Roster is what this server hears of the others.
type Roster interface {
	// Last is when a server was last heard, boot time, and whether it then said that
	// it stops; false when it was not heard since this one started.
	Last(server string) (heard int64, stops, ok bool)
}

// Leader is what the detector asks the sequencer.
type Leader interface {
	Status() sequencer.Status
}

// Detector is the controller.
type Detector struct {
	self   string
	leader Leader
	roster Roster

	// gained and term name the authority that lasts since then.
	gained uint64
	term   events.Position
	since  int64
	// lost is which servers the log had as lost at the last look, back when one
	// stopped to be. Both have at most an entry for each server.
	lost map[string]bool
	back map[string]int64
}

// New returns the controller of a server.
func New(self string, leader Leader, roster Roster) *Detector {
	return &Detector{self: self, leader: leader, roster: roster, lost: map[string]bool{}, back: map[string]int64{}}
}

// Name implements the loop's controller.
func (*Detector) Name() string { return "failuredetector" }

// Step implements the loop's controller.
func (d *Detector) Step(v sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	st := d.leader.Status()
	if !st.Leading {
		return nil, LookEvery
	}
	if st.AuthorityGained != d.gained || st.Term != d.term {
		d.gained, d.term, d.since = st.AuthorityGained, st.Term, now.Boot
	}
	view := View{Now: now.Boot, Self: d.self, Since: d.since}
	v.Model.Membership.EachServer(func(n membership.Node) bool {
		if n.Left {
			return true
		}
		if d.lost[n.NodeID] && n.Lost == 0 {
			d.back[n.NodeID] = now.Boot
		}
		d.lost[n.NodeID] = n.Lost != 0
		s := Server{Name: n.NodeID, Lost: n.Lost, Back: d.back[n.NodeID]}
		if heard, stops, ok := d.roster.Last(n.NodeID); ok {
			s.Heard, s.Stops = heard, stops
		}
		view.Servers = append(view.Servers, s)
		return true
	})
	return Step(view)
}
