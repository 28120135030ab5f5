package placer

import (
	"fmt"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
)

// Interval is the least time between two steps: a burst of changes is placed
// once.
const Interval = 5 * time.Millisecond

// Placer is the controller. It remembers which inputs it found nothing to do
// for; nothing depends on that memory but the work that it saves.
type Placer struct {
	last    int64 // boot time of the last step
	settled map[string]settled
}

// settled is an input that asked for nothing, and until when that holds.
type settled struct {
	namespace *shard.Namespace
	nodes     []Node
	leaving   []leaver
	until     int64 // log time at which the next hold ends; 0 is never
}

// New returns a placer.
func New() *Placer { return &Placer{settled: map[string]settled{}} }

// Name implements the loop's controller.
func (p *Placer) Name() string { return "placer" }

// Step implements the loop's controller.
func (p *Placer) Step(v sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	if wait := p.last + int64(Interval) - now.Boot; p.last != 0 && wait > 0 {
		return nil, time.Duration(wait)
	}
	p.last = now.Boot
	byRole := map[string][]Node{}
	leaving := leavers(v.Model)
	var cmds []commands.Command
	until := int64(0)
	v.Model.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		role := ns.Spec.EligibleRole
		nodes, ok := byRole[role]
		if !ok {
			nodes = eligibleNodes(v.Model, role)
			byRole[role] = nodes
		}
		c, next := p.namespace(ns, nodes, leaving, now.Wall)
		cmds = append(cmds, c...)
		if next != 0 && (until == 0 || next < until) {
			until = next
		}
		return true
	})
	for name := range p.settled {
		if _, ok := v.Model.Shard.Namespace(name); !ok {
			delete(p.settled, name)
		}
	}
	if until != 0 {
		return cmds, max(Interval, time.Duration(until-now.Wall))
	}
	return cmds, time.Minute
}

// eligibleNodes are those that may be given shards, in the order of ids.
func eligibleNodes(m *model.Model, role string) []Node {
	var out []Node
	m.Membership.EachNode(func(n membership.Node) bool {
		if n.Role != role || m.Assignable(n.NodeID, role) != nil {
			return true
		}
		w, err := placement.WeightOf(n.Weight)
		if err != nil { // the decider let only good weights in
			w = placement.One
		}
		out = append(out, Node{placement.Node{ID: n.NodeID, Weight: w, Region: n.Region, Zone: n.Zone, Labels: n.Labels}, n.Session})
		return true
	})
	return out
}

// namespace plans one namespace, unless its inputs are those that it found
// settled.
func (p *Placer) namespace(ns *shard.Namespace, nodes []Node, leaving *leaving, logTime int64) ([]commands.Command, int64) {
	old, ok := p.settled[ns.Name]
	if ok && old.namespace == ns && slices.EqualFunc(old.nodes, nodes, Node.equal) && slices.Equal(old.leaving, leaving.all()) && (old.until == 0 || logTime < old.until) {
		return nil, old.until
	}
	cmds, waits := plan(ns, nodes, leaving, logTime)
	delete(p.settled, ns.Name)
	until := holdEnd(ns, logTime)
	if len(cmds) == 0 && !waits {
		p.settled[ns.Name] = settled{namespace: ns, nodes: nodes, leaving: leaving.all(), until: until}
	}
	return cmds, until
}

// holdEnd is the earliest end of a hold, 0 when no shard is held.
func holdEnd(ns *shard.Namespace, logTime int64) int64 {
	until := int64(0)
	ns.Each(func(_ uint32, sh *shard.Shard) bool {
		if sh.HeldUntil > logTime && (until == 0 || sh.HeldUntil < until) {
			until = sh.HeldUntil
		}
		return true
	})
	return until
}

// Node is a node that may be given shards.
type Node struct {
	placement.Node
	Session events.Position
}

// Plan returns the commands that bring a namespace to its strategy's placement,
// none when it is there, while no node is being drained. It is pure.
func Plan(ns *shard.Namespace, nodes []Node, logTime int64) []commands.Command {
	cmds, _ := plan(ns, nodes, nil, logTime)
	return cmds
}

// plan is Plan beside nodes that are being drained. waits: a shard of one of them
// has a place to go to, and no room to move yet.
func plan(ns *shard.Namespace, nodes []Node, leaving *leaving, logTime int64) (cmds []commands.Command, waits bool) {
	if ns.Deleting {
		return nil, false
	}
	if len(nodes) == 0 {
		return leaving.readings(ns), false
	}
	in, err := input(ns, nodes, leaving, logTime)
	if err != nil {
		return leaving.readings(ns), false // more nodes or weight than placement takes: nothing moves
	}
	strategy, err := placement.Named(ns.Spec.Strategy)
	if err != nil {
		return nil, false // the decider let only known strategies in
	}
	r := strategy(in)
	drains, waits := leaving.moves(ns, r, logTime)
	if cmds = append(diff(ns, nodes, in, r, leaving, logTime), drains...); len(cmds) == 0 {
		cmds = readers(ns, nodes, in)
	}
	return cmds, waits
}

// input is the question that the namespace asks its strategy: who has what, and
// what stays where it is. What leaves a node that is being drained has no owner.
func input(ns *shard.Namespace, nodes []Node, leaving *leaving, logTime int64) (*placement.Input, error) {
	plain := make([]placement.Node, len(nodes))
	for i, n := range nodes {
		plain[i] = n.Node
	}
	in, err := placement.NewInput(ns.Name, int(ns.Len()), plain)
	if err != nil {
		return nil, fmt.Errorf("place namespace %s: %w", ns.Name, err)
	}
	if err := constrain(in, ns.Spec); err != nil {
		return nil, err
	}
	index := make(map[string]int32, len(nodes))
	for i, n := range in.Nodes() {
		index[n.ID] = int32(i)
	}
	at := func(id string) int32 {
		if i, ok := index[id]; ok && id != "" {
			return i
		}
		return placement.NoOwner
	}
	load := make([]int, len(nodes))
	var orphans []uint32
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		where, fixed := standing(sh, at, logTime)
		switch {
		case sh.MoveTo == "" && leaving.gives(sh, logTime):
			where, fixed = placement.NoOwner, false
		case moved(sh) && at(sh.Owner) != placement.NoOwner:
			where = at(sh.Owner)
		}
		if where != placement.NoOwner {
			load[where]++
		} else if sh.Owner == "" && sh.Readers != "" && !fixed {
			orphans = append(orphans, id)
		}
		in.Own(int(id), 1, where)
		if fixed {
			in.Fix(int(id), 1)
		}
		return true
	})
	standOnReaders(ns, in, orphans, load)
	return in, nil
}

// standing says on which node a shard counts, and whether it stays there. One that
// is to be held where it goes leaves the count when it sets out: if it counted until it
// is there, others would move to make room for it, and back when it is held.
func standing(sh *shard.Shard, at func(string) int32, logTime int64) (where int32, fixed bool) {
	target, home := sh.Places()
	where = at(target)
	goes := where != placement.NoOwner
	if !goes {
		where = at(home)
	}
	switch {
	case sh.Quarantined(): // nobody's, and on nobody's account
		return placement.NoOwner, true
	case sh.Paused:
		return where, true
	case sh.Owner == "":
		return where, goes && sh.MoveHold > 0 // an operator wants it there
	case goes:
		return where, sh.MoveHold > 0
	}
	return where, sh.HeldUntil > logTime || where == placement.NoOwner
}

// diff turns the difference between what is and what should be into commands of
// at most events.MaxAssigned shards each.
func diff(ns *shard.Namespace, nodes []Node, in *placement.Input, r placement.Result, leaving *leaving, logTime int64) []commands.Command {
	sessions := make(map[string]events.Position, len(nodes))
	for _, n := range nodes {
		sessions[n.ID] = n.Session
	}
	assign := map[int32][]uint32{}
	move, leave := map[[2]int32][]uint32{}, map[[2]int32][]uint32{}
	forbidden := in.Forbidden()
	ns.Each(func(id uint32, sh *shard.Shard) bool {
		to := r.Owner[id]
		switch {
		case to == placement.NoOwner || sh.Paused || sh.Quarantined():
		case sh.Owner == "":
			assign[to] = append(assign[to], id)
		case sh.Silent: // its owner can release nothing before it is bound again
		case sh.MoveTo == "" && !in.Fixed(int(id)) && in.Current(int(id)) != to && !leaving.gives(sh, logTime):
			key := [2]int32{in.Current(int(id)), to}
			if forbidden(int(id)) {
				leave[key] = append(leave[key], id)
			} else {
				move[key] = append(move[key], id)
			}
		}
		return true
	})
	cmds := assigns(ns.Name, r, sessions, assign)
	cmds = append(cmds, rebalances(shard.Rebalance{Namespace: ns.Name, Constraint: true}, r, leave)...)
	return append(cmds, rebalances(shard.Rebalance{Namespace: ns.Name}, r, move)...)
}

func assigns(name string, r placement.Result, sessions map[string]events.Position, to map[int32][]uint32) []commands.Command {
	var cmds []commands.Command
	c, room := shard.Assign{Namespace: name}, events.MaxAssigned
	for i := range r.Nodes {
		for ids := to[int32(i)]; len(ids) > 0; {
			n := min(room, len(ids))
			c.Targets = append(c.Targets, shard.Target{NodeID: r.Nodes[i].ID, Session: sessions[r.Nodes[i].ID], Shards: ids[:n]})
			ids, room = ids[n:], room-n
			if room == 0 {
				cmds = append(cmds, c)
				c, room = shard.Assign{Namespace: name}, events.MaxAssigned
			}
		}
	}
	if len(c.Targets) > 0 {
		cmds = append(cmds, c)
	}
	return cmds
}

// maxRelocations bounds the groups of one Rebalance: each names two nodes, and
// with 2,000 long names it would be over the limit of a frame.
const maxRelocations = events.MaxAssigned / 2

func rebalances(like shard.Rebalance, r placement.Result, moves map[[2]int32][]uint32) []commands.Command {
	keys := make([][2]int32, 0, len(moves))
	for k := range moves {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]int32) int {
		if a[0] != b[0] {
			return int(a[0] - b[0])
		}
		return int(a[1] - b[1])
	})
	var cmds []commands.Command
	c, room := like, events.MaxAssigned
	for _, k := range keys {
		for ids := moves[k]; len(ids) > 0; {
			n := min(room, len(ids))
			c.Moves = append(c.Moves, shard.Relocation{From: r.Nodes[k[0]].ID, To: r.Nodes[k[1]].ID, Shards: ids[:n]})
			ids, room = ids[n:], room-n
			if room == 0 || len(c.Moves) == maxRelocations {
				cmds = append(cmds, c)
				c, room = like, events.MaxAssigned
			}
		}
	}
	if len(c.Moves) > 0 {
		cmds = append(cmds, c)
	}
	return cmds
}
