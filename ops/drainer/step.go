package drainer

import (
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Interval is the least time between two steps, Poll the most while a node is
// draining: what nodes say of themselves wakes nobody here.
const (
	Interval = 10 * time.Millisecond
	Poll     = 100 * time.Millisecond
)

// ResignPerNode bounds the leaderships that a node gives up in one step.
const ResignPerNode = 16

// Reports are what nodes say that they hold.
type Reports interface {
	// EachHeld calls fn for every shard that the node's session says it holds, in
	// whatever state. It returns false when this leader has not heard it say so.
	EachHeld(node string, session events.Position, fn func(namespace string, shard uint32, fence events.Position)) bool
}

// Drainer is the controller.
type Drainer struct {
	reports Reports
	last    int64 // boot time of the last step
}

// New returns a controller that believes these reports.
func New(reports Reports) *Drainer { return &Drainer{reports: reports} }

// Name implements the loop's controller.
func (d *Drainer) Name() string { return "drainer" }

// Step implements the loop's controller.
func (d *Drainer) Step(v sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	if wait := d.last + int64(Interval) - now.Boot; d.last != 0 && wait > 0 {
		return nil, time.Duration(wait)
	}
	d.last = now.Boot
	cmds := over(v.Model)
	next := time.Minute
	v.Model.Membership.EachNode(func(n membership.Node) bool {
		if n.Lifecycle == membership.Draining {
			cmds = append(cmds, d.drain(v.Model, n, now.Wall)...)
			next = Poll
		}
		return true
	})
	return cmds, next
}

// drain is what one node needs next.
func (d *Drainer) drain(m *model.Model, n membership.Node, logTime int64) []commands.Command {
	cmds := resigns(m, n)
	p := Look(m, n, d.reports, logTime)
	switch {
	case p.done():
		return append(cmds, membership.FinishDrain{NodeID: n.NodeID, Session: n.Session})
	case !n.Stalled && logTime >= n.DrainDeadline:
		return append(cmds, stall(n, p))
	}
	return cmds
}

func resigns(m *model.Model, n membership.Node) []commands.Command {
	var cmds []commands.Command
	m.Leadership.EachScope(func(sc leadership.Scope) bool {
		if sc.Holder == n.NodeID {
			cmds = append(cmds, leadership.Resign{Scope: sc.Name, NodeID: n.NodeID, Session: sc.Session, Term: sc.Term})
		}
		return len(cmds) < ResignPerNode
	})
	return cmds
}

// stall names what is left: what blocks first, then what is on its way.
func stall(n membership.Node, p Progress) membership.StallDrain {
	c := membership.StallDrain{NodeID: n.NodeID, More: uint32(p.MoreBlockers + p.morePending)}
	for _, b := range slices.Concat(p.Blockers, p.pending) {
		if len(c.Blockers) == membership.MaxBlockers {
			c.More++
			continue
		}
		c.Blockers = append(c.Blockers, membership.Blocker{Kind: b.Kind, Reference: b.Reference, Reason: b.Reason})
	}
	return c
}

// over takes back the moves of drains that are over: their owners are not draining
// any more and keep what they have not released.
func over(m *model.Model) []commands.Command {
	var cmds []commands.Command
	m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		if ns.Moving() == 0 || ns.Deleting {
			return true
		}
		var ids []uint32
		ns.Each(func(id uint32, sh *shard.Shard) bool {
			if sh.Moving() && sh.MoveCause == eventsv1.ShardCause_SHARD_CAUSE_DRAIN {
				if n, _ := m.Membership.Node(sh.Owner); n.Lifecycle != membership.Draining {
					ids = append(ids, id)
				}
			}
			return true
		})
		for part := range slices.Chunk(ids, events.MaxAssigned) {
			cmds = append(cmds, shard.CancelMoves{Namespace: ns.Name, Shards: part, DrainOver: true})
		}
		return true
	})
	return cmds
}
