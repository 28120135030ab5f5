package handoff

import (
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// Reports are what nodes say that they released.
type Reports interface {
	// EachReleased calls fn for every shard that the node's session reports as
	// released.
	EachReleased(node string, session events.Position, fn func(namespace string, shard uint32, fence events.Position))
}

// Handoff is the controller.
type Handoff struct {
	reports Reports
}

// New returns a controller that believes these reports.
func New(reports Reports) *Handoff { return &Handoff{reports: reports} }

// Name implements the loop's controller.
func (h *Handoff) Name() string { return "handoff" }

// Step implements the loop's controller.
func (h *Handoff) Step(v sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	released := map[ref]bool{}
	cmds := h.releases(v, released)
	next := int64(0)
	v.Model.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		switch {
		case ns.Deleting && ns.Unowned() == int(ns.Len()):
			cmds = append(cmds, shard.FinishDelete{Namespace: ns.Name})
		case !ns.Deleting && ns.Moving() > 0:
			c, deadline := overdue(v, ns, now.Wall, released)
			cmds = append(cmds, c...)
			if deadline != 0 && (next == 0 || deadline < next) {
				next = deadline
			}
		}
		return true
	})
	if next == 0 {
		return cmds, time.Minute
	}
	return cmds, max(time.Millisecond, time.Duration(next-now.Wall))
}

type ref struct {
	namespace string
	shard     uint32
}

// releases collects what was reported with the current fence, per namespace and
// node, and notes it in released.
func (h *Handoff) releases(v sequencer.View, released map[ref]bool) []commands.Command {
	var cmds []commands.Command
	v.Model.Membership.EachNode(func(n membership.Node) bool {
		if n.Session == 0 {
			return true
		}
		byNamespace := map[string][]shard.Released{}
		h.reports.EachReleased(n.NodeID, n.Session, func(name string, id uint32, fence events.Position) {
			ns, ok := v.Model.Shard.Namespace(name)
			if !ok {
				return
			}
			if sh := ns.Shard(id); sh != nil && sh.Owner == n.NodeID && sh.Session == n.Session && sh.Fence == fence {
				byNamespace[name] = append(byNamespace[name], shard.Released{Shard: id, Fence: fence})
				released[ref{name, id}] = true
			}
		})
		cmds = append(cmds, releaseCommands(n, byNamespace)...)
		return true
	})
	return cmds
}

func releaseCommands(n membership.Node, byNamespace map[string][]shard.Released) []commands.Command {
	names := make([]string, 0, len(byNamespace))
	for name := range byNamespace {
		names = append(names, name)
	}
	slices.Sort(names)
	var cmds []commands.Command
	for _, name := range names {
		rels := byNamespace[name]
		slices.SortFunc(rels, func(a, b shard.Released) int { return int(a.Shard) - int(b.Shard) })
		for part := range slices.Chunk(rels, events.MaxAssigned) {
			ids := make([]uint32, len(part))
			for i, r := range part {
				ids[i] = r.Shard
			}
			cmds = append(cmds, shard.Release{
				Namespace: name, NodeID: n.NodeID, Session: n.Session, Shards: part,
				Else: []shard.Target{{NodeID: n.NodeID, Session: n.Session, Shards: ids}},
			})
		}
	}
	return cmds
}

// overdue gives up what was not released in time and takes back what goes
// nowhere. It returns the next deadline, log time.
func overdue(v sequencer.View, ns *shard.Namespace, logTime int64, released map[ref]bool) ([]commands.Command, int64) {
	var failed, lost []uint32
	next := int64(0)
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		switch {
		case !sh.Moving() || released[ref{ns.Name, id}]:
		case v.Model.Assignable(sh.MoveTo, ns.Spec.EligibleRole) != nil:
			lost = append(lost, id)
		case sh.Forced(): // it ends with the ownership, whenever that is
		case logTime >= sh.MoveDeadline:
			failed = append(failed, id)
		case next == 0 || sh.MoveDeadline < next:
			next = sh.MoveDeadline
		}
		return true
	})
	var cmds []commands.Command
	for part := range slices.Chunk(lost, events.MaxAssigned) {
		cmds = append(cmds, shard.CancelMoves{Namespace: ns.Name, Shards: part, TargetLost: true})
	}
	for part := range slices.Chunk(failed, events.MaxAssigned) {
		cmds = append(cmds, shard.FailMoves{Namespace: ns.Name, Shards: part})
	}
	return cmds, next
}
