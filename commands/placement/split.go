package placement

import "slices"

// split divides shards, by class, over places: the failure domains of a hard
// spread, the tiers of locality, the zones within a tier. How many of which class
// each place gets is all it says.
type split struct {
	p      *problem
	groups []int32
	count  []int // per class
	leaf   []int // per entry of groups, an index into parts
	parts  [][]int32
	domain []int // per part
	tier   []int // per part
	spread int   // number of domains
	skew   int   // most difference between domains; 0 is any
	soft   bool  // the skew yields where there is no room
	tiered bool  // lower tiers first; balance counts within a tier only

	placed int
	given  [][]int // per part and class
	short  []shortage
}

// shortage is a number of shards of some classes that have no place.
type shortage struct {
	classes []bool
	nodes   int
	room    int
	spread  bool // there would be room, but for the spread
	least   int  // of a domain, where spread
}

func (p *problem) split(groups []int32, count []int, place func(*group) (leaf, domain int32)) *split {
	sp := &split{p: p, groups: groups, count: count, leaf: make([]int, len(groups))}
	type key struct{ leaf, domain int32 }
	at, domains := map[key]int{}, map[int32]int{}
	for i, g := range groups {
		leaf, domain := place(&p.groups[g])
		d, seen := domains[domain]
		if !seen {
			d = len(domains)
			domains[domain] = d
		}
		n, seen := at[key{leaf, domain}]
		if !seen {
			n = len(sp.parts)
			at[key{leaf, domain}] = n
			sp.parts = append(sp.parts, nil)
			sp.domain = append(sp.domain, d)
			sp.tier = append(sp.tier, int(leaf))
		}
		sp.leaf[i] = n
		sp.parts[n] = append(sp.parts[n], g)
	}
	sp.spread = len(domains)
	return sp
}

// Costs of a split's flow: a move, a tier further down, a domain above the least.
const (
	costTier  = 1 << 10
	costAbove = 1 << 24
)

// splitNet is a split as a network: source, classes, groups, parts, domains, sink.
type splitNet struct {
	*network
	sink    int
	supply  []int // arcs by class
	domains []int // arcs to the sink
}

func (sp *split) net(room func(g int32) int, least int) *splitNet {
	classes, groups, parts := len(sp.count), len(sp.groups), len(sp.parts)
	n := &splitNet{sink: 1 + classes + groups + parts + sp.spread}
	n.network = newNetwork(n.sink+1, classes*groups+groups+parts+sp.spread+classes)
	for c, count := range sp.count {
		n.supply = append(n.supply, n.add(0, 1+c, count, 0))
		for i, g := range sp.groups {
			if count > 0 && sp.p.fits(c, int(g)) {
				n.add(1+c, 1+classes+i, count, 1)
			}
		}
	}
	for i, g := range sp.groups {
		n.add(1+classes+i, 1+classes+groups+sp.leaf[i], room(g), 0)
	}
	for i := range sp.parts {
		n.add(1+classes+groups+i, 1+classes+groups+parts+sp.domain[i], MaxShards, costTier*sp.tier[i])
	}
	for d := range sp.spread {
		n.domains = append(n.domains, n.add(1+classes+groups+parts+d, n.sink, least, 0))
	}
	return n
}

// most places as many as it can with least to most shards in each domain, and
// reports how many those are; -1 if some domain cannot have the least.
func (sp *split) most(room func(g int32) int, least, most int) (int, *splitNet) {
	n := sp.net(room, least)
	placed := n.maximum(0, n.sink)
	if placed < least*sp.spread {
		return -1, n
	}
	for _, e := range n.domains {
		n.widen(e, most)
	}
	return placed + n.maximum(0, n.sink), n
}

func (sp *split) roomOf(g int32) int {
	sum := 0
	for _, n := range sp.p.groups[g].nodes {
		sum += sp.p.room[n]
	}
	return min(sum, MaxShards)
}

// maxWindows bounds how many least counts of a domain are tried for the lowest
// load.
const maxWindows = 17

func (sp *split) divide() {
	total := 0
	for _, c := range sp.count {
		total += c
	}
	least, most := 0, MaxShards
	if sp.skew > 0 && sp.spread > 0 {
		least = int(lowest(0, uint64(total/sp.spread)+2, func(l uint64) bool {
			ok, _ := sp.most(sp.roomOf, int(l), int(l))
			return ok < 0
		})) - 1
		least = max(0, least)
		most = min(MaxShards, least+sp.skew)
	}
	placed, n := sp.most(sp.roomOf, least, most)
	if placed < total && sp.soft {
		most = MaxShards
		placed, n = sp.most(sp.roomOf, least, most)
	}
	sp.placed = placed
	if placed < total {
		sp.explain(n, total, least)
	}
	room := sp.roomOf
	if !sp.tiered && sp.skew > 0 {
		least, most, room = sp.lowestLoad(total, least, most)
	}
	sp.settle(room, least, most)
}

// lowestLoad tries the windows that the skew allows and returns the one in which
// the highest load per weight is lowest, with the room that this leaves.
func (sp *split) lowestLoad(total, least, most int) (int, int, func(int32) int) {
	within := func(t uint64) func(int32) int {
		return func(g int32) int { return sp.p.within(g, t) }
	}
	good := func(l, m int) func(uint64) bool {
		return func(t uint64) bool {
			placed, _ := sp.most(within(t), l, m)
			return placed == sp.placed
		}
	}
	from := sp.p.floor(sp.groups, sp.placed)
	best := uint64(1) << 59
	if good(least, most)(from) {
		return least, most, within(from)
	}
	best = lowest(from, best, good(least, most))
	bestLeast, bestMost := least, most
	if sp.placed == total && most < MaxShards {
		lowestLeast := max(0, (total+sp.spread-1)/sp.spread-sp.skew)
		step := max(1, (least-lowestLeast+maxWindows-1)/maxWindows)
		for l := least - step; l >= lowestLeast && best > from+1; l -= step {
			if m := l + sp.skew; good(l, m)(best - 1) {
				best = lowest(from, best-1, good(l, m))
				bestLeast, bestMost = l, m
			}
		}
	}
	return bestLeast, bestMost, within(best)
}

// within is what a group may have at a load per weight.
func (p *problem) within(g int32, t uint64) int {
	sum := 0
	for _, n := range p.groups[g].nodes {
		sum += min(p.room[n], atGrid(t, p.in.nodes[n].Weight))
	}
	return min(sum, MaxShards)
}

// floor is a point of the grid that the highest load cannot be below, or is just
// above: the best balance without rules, less one.
func (p *problem) floor(groups []int32, k int) uint64 {
	var nodes []Node
	for _, g := range groups {
		for _, n := range p.groups[g].nodes {
			nodes = append(nodes, p.in.nodes[n])
		}
	}
	return toGrid(bestBalance(nodes, k).top)
}

// settle divides at the least cost: with the fewest shards that have to change
// place, and of those in the best tiers.
func (sp *split) settle(room func(int32) int, least, most int) {
	n := sp.net(room, least)
	for i, d := range n.domains {
		from := n.arcs[d^1].to
		n.domains[i] = n.add(int(from), n.sink, most-least, costAbove)
	}
	classes := len(sp.count)
	for _, k := range sp.kept() {
		n.add(1+k[0], 1+classes+k[1], k[2], 0)
	}
	n.cheapest(0, n.sink)
	sp.given = make([][]int, len(sp.parts))
	for i := range sp.given {
		sp.given[i] = make([]int, classes)
	}
	for c := range sp.count {
		for e := n.first[1+c]; e >= 0; e = n.arcs[e].next {
			if to := int(n.arcs[e].to) - 1 - classes; to >= 0 && e&1 == 0 {
				sp.given[sp.leaf[to]][c] += n.flow(int(e))
			}
		}
	}
}

// kept lists class, entry of groups, and how many shards of the one can stay in
// the other. Where not all have a place, what a node has beyond its room cannot.
func (sp *split) kept() [][3]int {
	at := make(map[int32]int, len(sp.groups))
	for i, g := range sp.groups {
		at[g] = i
	}
	total := 0
	for _, c := range sp.count {
		total += c
	}
	room := slices.Clone(sp.p.room)
	sums := map[uint64]int{}
	for _, h := range sp.p.has {
		i, here := at[sp.p.groupOf[h.node]]
		if !here || sp.count[h.class] == 0 {
			continue
		}
		n := h.count
		if sp.placed < total {
			n = min(n, room[h.node])
			room[h.node] -= n
		}
		sums[pair(h.class, int32(i))] += n
	}
	var out [][3]int
	for _, key := range sortedKeys(sums) {
		if sums[key] > 0 {
			out = append(out, [3]int{int(key >> 32), int(uint32(key)), sums[key]})
		}
	}
	return out
}

// explain says what the minimum cut of a flow that is short says: which classes
// have no place, and on which nodes they could be.
func (sp *split) explain(n *splitNet, total, least int) {
	s := shortage{classes: make([]bool, len(sp.count)), least: least}
	for c := range sp.count {
		s.classes[c] = sp.count[c] > 0 && n.level[1+c] >= 0
	}
	for i, g := range sp.groups {
		if n.level[1+len(sp.count)+i] >= 0 {
			s.nodes += len(sp.p.groups[g].nodes)
			s.room += sp.roomOf(g)
		}
	}
	if sp.skew > 0 {
		free, _ := sp.most(sp.roomOf, 0, MaxShards)
		s.spread = free > sp.placed
	}
	sp.short = append(sp.short, s)
}
