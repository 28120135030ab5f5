package handoff

import (
	"maps"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// Reports are what nodes say that they prepared and released.
type Reports interface {
	// EachPrepared calls fn for every shard that the node's session reports as
	// prepared, with the fence of its owner.
	EachPrepared(node string, session events.Position, fn func(namespace string, shard uint32, fence events.Position))
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
	heard := map[ref]bool{}
	cmds := append(h.releases(v, heard), h.preparations(v, heard)...)
	next := int64(0)
	v.Model.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		switch {
		case ns.Deleting && ns.Unowned() == int(ns.Len()):
			cmds = append(cmds, shard.FinishDelete{Namespace: ns.Name})
		case !ns.Deleting && ns.Moving() > 0:
			c, deadline := overdue(v, ns, now.Wall, heard)
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

// report is one shard that a node reports, with the fence that it names.
type report struct {
	shard uint32
	fence events.Position
}

// collect gathers the reports of all nodes that the log agrees with, notes them
// in heard, and makes commands of them per namespace and node. of walks the
// reports of a node, agrees compares one with the log.
func collect(v sequencer.View, heard map[ref]bool,
	of func(string, events.Position, func(string, uint32, events.Position)),
	agrees func(n membership.Node, ns *shard.Namespace, sh *shard.Shard) bool,
	command func(name string, n membership.Node, part []report) commands.Command,
) []commands.Command {
	var cmds []commands.Command
	v.Model.Membership.EachNode(func(n membership.Node) bool {
		if n.Session == 0 {
			return true
		}
		byNamespace := map[string][]report{}
		of(n.NodeID, n.Session, func(name string, id uint32, fence events.Position) {
			ns, ok := v.Model.Shard.Namespace(name)
			if !ok {
				return
			}
			if sh := ns.Shard(id); sh != nil && sh.Fence == fence && agrees(n, ns, sh) {
				byNamespace[name] = append(byNamespace[name], report{id, fence})
				heard[ref{name, id}] = true
			}
		})
		for _, name := range slices.Sorted(maps.Keys(byNamespace)) {
			reports := byNamespace[name]
			slices.SortFunc(reports, func(a, b report) int { return int(a.shard) - int(b.shard) })
			for part := range slices.Chunk(reports, events.MaxAssigned) {
				cmds = append(cmds, command(name, n, part))
			}
		}
		return true
	})
	return cmds
}

// releases are what owners released.
func (h *Handoff) releases(v sequencer.View, heard map[ref]bool) []commands.Command {
	return collect(v, heard, h.reports.EachReleased,
		func(n membership.Node, _ *shard.Namespace, sh *shard.Shard) bool {
			return sh.Owner == n.NodeID && sh.Session == n.Session
		},
		func(name string, n membership.Node, part []report) commands.Command {
			c := shard.Release{Namespace: name, NodeID: n.NodeID, Session: n.Session}
			ids := make([]uint32, len(part))
			for i, r := range part {
				ids[i] = r.shard
				c.Shards = append(c.Shards, shard.Released{Shard: r.shard, Fence: r.fence})
			}
			c.Else = []shard.Target{{NodeID: n.NodeID, Session: n.Session, Shards: ids}}
			return c
		})
}

// preparations are what targets prepared and nobody was asked to release yet.
func (h *Handoff) preparations(v sequencer.View, heard map[ref]bool) []commands.Command {
	return collect(v, heard, h.reports.EachPrepared,
		func(n membership.Node, ns *shard.Namespace, sh *shard.Shard) bool {
			return sh.Preparing() && sh.MoveTo == n.NodeID && v.Model.Assignable(n.NodeID, ns.Spec.EligibleRole) == nil
		},
		func(name string, n membership.Node, part []report) commands.Command {
			c := shard.AskRelease{Namespace: name, NodeID: n.NodeID, Session: n.Session}
			for _, r := range part {
				c.Shards = append(c.Shards, shard.Prepared{Shard: r.shard, Fence: r.fence})
			}
			return c
		})
}

// overdue gives up what was not prepared or released in time and takes back what
// goes nowhere. It returns the next deadline, log time.
func overdue(v sequencer.View, ns *shard.Namespace, logTime int64, heard map[ref]bool) ([]commands.Command, int64) {
	var failed, lost []uint32
	next := int64(0)
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		switch {
		case !sh.Moving() || heard[ref{ns.Name, id}]:
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
