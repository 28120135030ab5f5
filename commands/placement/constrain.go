package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// constraints are rules as they meet the nodes of one input.
type constraints struct {
	rules Rules
	able  []bool   // per node: it may have some shard
	pins  []uint64 // per node, the pins that it satisfies
	room  []int    // per node, the most shards that it may have
	// domain of a node and the names of all, where the rules spread; every node
	// is in domain 0 otherwise.
	domain  []int32
	domains []string
	asked   []pinned // what pins ask, by shard, ascending
}

// pinned is a run of shards with one set of pins.
type pinned struct {
	first, count int
	pins         uint64
}

// Constrain puts the input under rules, which Check has no fault in. Rules that
// ask for nothing leave it as it is.
func (in *Input) Constrain(r Rules) error {
	if err := r.Check(uint32(in.ShardCount())); err != nil {
		return fmt.Errorf("namespace %q: %w", in.namespace, err)
	}
	in.rules = nil
	if !r.Empty() {
		in.rules = newConstraints(in, r)
	}
	return nil
}

func newConstraints(in *Input, r Rules) *constraints {
	n := len(in.nodes)
	c := &constraints{
		rules: r, able: make([]bool, n), pins: make([]uint64, n), room: make([]int, n),
		domain: make([]int32, n), asked: pinnedRuns(&r, in.ShardCount()),
	}
	for i := range in.nodes {
		node := &in.nodes[i]
		c.able[i] = matchesAll(r.Require, node) && (r.Spread == "" || node.Value(r.Spread) != "")
		c.room[i] = capacity(&r, node)
		for p := range r.Pins {
			pin := &r.Pins[p]
			if (len(pin.Nodes) == 0 || slices.Contains(pin.Nodes, node.ID)) && matchesAll(pin.Require, node) {
				c.pins[i] |= 1 << p
			}
		}
	}
	c.domains = []string{""}
	if r.Spread != "" {
		c.domains = domainsOf(in.nodes, c.able, r.Spread)
		for i := range in.nodes {
			d, _ := slices.BinarySearch(c.domains, in.nodes[i].Value(r.Spread))
			c.domain[i] = int32(d)
		}
	}
	return c
}

// domainsOf are the values of a key that able nodes have, ascending.
func domainsOf(nodes []Node, able []bool, key string) []string {
	var values []string
	for i := range nodes {
		if able[i] {
			values = append(values, nodes[i].Value(key))
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func capacity(r *Rules, n *Node) int {
	room := MaxShards
	if r.MaxPerNode > 0 {
		room = int(r.MaxPerNode)
	}
	if r.CapacityLabel != "" {
		if v, err := strconv.ParseUint(n.Value(r.CapacityLabel), 10, 31); err == nil {
			room = min(room, int(v))
		}
	}
	return room
}

// pinnedRuns sweeps over the ends of all ranges.
func pinnedRuns(r *Rules, shardCount int) []pinned {
	type end struct {
		at  int
		pin int
		by  int
	}
	var ends []end
	for p := range r.Pins {
		for _, s := range r.Pins[p].Shards {
			first := min(int(s.First), shardCount)
			ends = append(ends, end{first, p, 1}, end{min(int(s.First)+int(s.Count), shardCount), p, -1})
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Compare(a.at, b.at) })
	var runs []pinned
	depth := make([]int, len(r.Pins))
	from, pins := 0, uint64(0)
	emit := func(to int) {
		if to == from {
			return
		}
		if n := len(runs); n > 0 && runs[n-1].pins == pins {
			runs[n-1].count += to - from
		} else {
			runs = append(runs, pinned{from, to - from, pins})
		}
		from = to
	}
	for _, e := range ends {
		emit(e.at)
		if depth[e.pin] += e.by; depth[e.pin] > 0 {
			pins |= 1 << e.pin
		} else {
			pins &^= 1 << e.pin
		}
	}
	emit(shardCount)
	return runs
}

// classMasks are the different sets of pins that shards have, ascending.
func classMasks(r *Rules, shardCount int) []uint64 {
	var masks []uint64
	for _, run := range pinnedRuns(r, shardCount) {
		masks = append(masks, run.pins)
	}
	slices.Sort(masks)
	return slices.Compact(masks)
}

// asks returns the pins of a shard.
func (c *constraints) asks(shard int) uint64 {
	i, found := slices.BinarySearchFunc(c.asked, shard, func(p pinned, s int) int { return cmp.Compare(p.first, s) })
	if !found {
		i--
	}
	return c.asked[i].pins
}

func (c *constraints) may(pins uint64, node int32) bool {
	return c.able[node] && pins&^c.pins[node] == 0
}

// May reports whether the rules let the node at that index have the shard, as far
// as it is about the two alone.
func (in *Input) May(shard int, node int32) bool {
	return in.rules == nil || in.rules.may(in.rules.asks(shard), node)
}

// Room is the most shards that the rules let the node at that index have.
func (in *Input) Room(node int32) int {
	if in.rules == nil {
		return MaxShards
	}
	return in.rules.room[node]
}

// Rules returns what the input was put under.
func (in *Input) Rules() Rules {
	if in.rules == nil {
		return Rules{}
	}
	return in.rules.rules
}
