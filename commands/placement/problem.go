package placement

import (
	"cmp"
	"slices"
)

// problem is an input under rules, with equal things counted together: shards
// that may be on the same nodes are a class, nodes that may have the same shards
// in the same place are a group.
type problem struct {
	in      *Input
	c       *constraints
	pins    []uint64 // per class, ascending
	class   []int32  // per shard; -1 where it is fixed
	count   []int    // per class, its free shards
	unowned []int    // per class, those without an owner
	// has are the free shards on nodes that may have them, by class and node.
	has     []holding
	room    []int // per node, for free shards
	groups  []group
	groupOf []int32 // per node; -1 where it may have no shard
	tiers   int
}

type holding struct {
	class, node int32
	count       int
}

type group struct {
	pins                 uint64
	tier, domain, within int32 // within is a zone's index, where locality spreads
	nodes                []int32
}

func newProblem(in *Input, locality bool) *problem {
	p := &problem{in: in, c: in.rules, tiers: 1}
	if p.c == nil {
		p.c = newConstraints(in, Rules{})
	}
	p.pins = classMasks(&p.c.rules, in.ShardCount())
	p.room = slices.Clone(p.c.room)
	p.makeGroups(locality)
	p.countShards()
	return p
}

func (p *problem) fits(class, group int) bool { return p.pins[class]&^p.groups[group].pins == 0 }

func (p *problem) makeGroups(locality bool) {
	if locality {
		p.tiers = len(p.c.rules.Prefer) + 1
	}
	asked := uint64(0)
	for _, m := range p.pins {
		asked |= m
	}
	type key struct {
		pins                 uint64
		tier, domain, within int32
	}
	at := map[key]int32{}
	var zones []string
	if locality && p.c.rules.Spread == "" {
		zones = domainsOf(p.in.nodes, p.c.able, KeyZone)
	}
	p.groupOf = make([]int32, len(p.in.nodes))
	for i := range p.in.nodes {
		p.groupOf[i] = -1
		if !p.c.able[i] {
			continue
		}
		k := key{pins: p.c.pins[i] & asked, domain: p.c.domain[i]}
		if locality {
			k.tier = p.c.tier(&p.in.nodes[i])
			z, _ := slices.BinarySearch(zones, p.in.nodes[i].Zone)
			k.within = int32(z)
		}
		g, seen := at[k]
		if !seen {
			g = int32(len(p.groups))
			at[k] = g
			p.groups = append(p.groups, group{pins: k.pins, tier: k.tier, domain: k.domain, within: k.within})
		}
		p.groupOf[i] = g
		p.groups[g].nodes = append(p.groups[g].nodes, int32(i))
	}
}

// tier is the place of the first preference that the node has, or after all.
func (c *constraints) tier(n *Node) int32 {
	for i, want := range c.rules.Prefer {
		if n.Value(want.Key) == want.Value {
			return int32(i)
		}
	}
	return int32(len(c.rules.Prefer))
}

// countShards fills class, count, unowned and has, and takes what fixed shards
// use from the room of their nodes.
func (p *problem) countShards() {
	p.class = make([]int32, p.in.ShardCount())
	p.count, p.unowned = make([]int, len(p.pins)), make([]int, len(p.pins))
	held := make([]uint64, 0, p.in.ShardCount()) // class and node of each holding
	for _, run := range p.c.asked {
		found, _ := slices.BinarySearch(p.pins, run.pins)
		c := int32(found)
		for s := run.first; s < run.first+run.count; s++ {
			o := p.in.current[s]
			if p.in.Fixed(s) {
				p.class[s] = -1
				if o != NoOwner {
					p.room[o] = max(0, p.room[o]-1)
				}
				continue
			}
			p.class[s] = c
			p.count[c]++
			if o == NoOwner {
				p.unowned[c]++
			} else if g := p.groupOf[o]; g >= 0 && p.fits(int(c), int(g)) {
				held = append(held, uint64(c)<<32|uint64(o))
			}
		}
	}
	slices.Sort(held)
	for i := 0; i < len(held); {
		j := i
		for j < len(held) && held[j] == held[i] {
			j++
		}
		p.has = append(p.has, holding{int32(held[i] >> 32), int32(uint32(held[i])), j - i})
		i = j
	}
}

// free is the number of shards that are not fixed.
func (p *problem) free() int {
	n := 0
	for _, c := range p.count {
		n += c
	}
	return n
}

// level is groups that share a bound, and what they get in all: the classes in
// takes, and no others, go to them.
type level struct {
	takes []bool // per class
	total int
	top   ratio
}

// plan is what a balanced placement has to satisfy, whatever shards are where.
type plan struct {
	*problem
	lo, hi  []int // per node
	levelOf []int32
	levels  []level
	// parts are the places that the shards were divided over, and given what each
	// gets of each class.
	parts  [][]int32
	given  [][]int
	placed int
	short  []shortage
	capped bool // room kept some node below its level
}

func (p *problem) newPlan() *plan {
	n := len(p.in.nodes)
	return &plan{problem: p, lo: make([]int, n), hi: make([]int, n), levelOf: make([]int32, len(p.groups))}
}

// takes reports whether the plan lets a class go to a group.
func (pl *plan) takes(class, group int) bool {
	return pl.fits(class, group) && pl.levels[pl.levelOf[group]].takes[class]
}

// top is the level of the highest load per weight.
func (pl *plan) top() (top ratio, at int) {
	top, at = ratio{0, 1}, -1
	for i, l := range pl.levels {
		if top.less(l.top) {
			top, at = l.top, i
		}
	}
	return top, at
}

// prepare makes the plan: what each place gets, then the levels in each place.
func (p *problem) prepare() *plan {
	pl := p.newPlan()
	all := make([]int32, len(p.groups))
	for g := range all {
		all[g] = int32(g)
	}
	first := p.split(all, p.count, func(g *group) (leaf, domain int32) { return g.tier, g.domain })
	first.skew, first.tiered = int(p.c.rules.MaxSkew), p.tiers > 1
	first.divide()
	pl.placed, pl.short, pl.parts, pl.given = first.placed, first.short, first.parts, first.given
	for i, part := range first.parts {
		if !p.zoned(part) {
			pl.addLevels(part, first.given[i])
			continue
		}
		second := p.split(part, first.given[i], func(g *group) (leaf, domain int32) { return 0, g.within })
		second.skew, second.soft = 1, true
		second.divide()
		for j, zone := range second.parts {
			pl.addLevels(zone, second.given[j])
		}
	}
	return pl
}

// zoned reports whether locality spreads a part over more than one zone.
func (p *problem) zoned(part []int32) bool {
	for _, g := range part {
		if p.groups[g].within != p.groups[part[0]].within {
			return true
		}
	}
	return false
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
