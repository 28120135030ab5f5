package drainer

import (
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/shard"
)

// destinations are the nodes that could take the shards of a namespace.
type destinations struct {
	eligible bool
	rules    *placement.Input // nil: they forbid nothing
	room     []bool           // per node of the input
}

func destinationsOf(m *model.Model, ns *shard.Namespace) destinations {
	var nodes []placement.Node
	m.Membership.EachNode(func(n membership.Node) bool {
		if m.Assignable(n.NodeID, ns.Spec.EligibleRole) == nil {
			nodes = append(nodes, placement.Node{ID: n.NodeID, Weight: placement.One, Region: n.Region, Zone: n.Zone, Labels: n.Labels})
		}
		return true
	})
	d := destinations{eligible: len(nodes) > 0}
	if ns.Spec.Rules == nil {
		return d
	}
	in, err := placement.NewInput(ns.Name, int(ns.Len()), nodes)
	if err != nil || in.Constrain(*ns.Spec.Rules) != nil {
		return d // more nodes than placement takes: nothing moves, and no rule is the reason
	}
	d.rules, d.room = in, make([]bool, len(nodes))
	for i, n := range counts(ns, in) {
		d.room[i] = n < in.Room(int32(i))
	}
	return d
}

// counts are the shards that placement counts on each node of an input.
func counts(ns *shard.Namespace, in *placement.Input) []int {
	n := make([]int, len(in.Nodes()))
	ns.Each(func(_ uint32, sh *shard.Shard) bool {
		target, home := sh.Places()
		i := in.Index(target)
		if i == placement.NoOwner {
			i = in.Index(home)
		}
		if i != placement.NoOwner {
			n[i]++
		}
		return true
	})
	return n
}

func (d destinations) none() bool { return !d.eligible }

// forbidden reports whether the rules leave the shard none of the nodes: none that
// may have it, or none of those that has room. What spreads over failure domains is
// not looked at: a domain without a node to take it does not count.
func (d destinations) forbidden(id uint32) bool {
	if d.rules == nil {
		return false
	}
	for i := range d.room {
		if d.room[i] && d.rules.May(int(id), int32(i)) {
			return false
		}
	}
	return true
}
