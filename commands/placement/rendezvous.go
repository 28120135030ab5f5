package placement

import (
	"cmp"
	"slices"
)

// rendezvous is highest random weight (Thaler, Ravishankar, 1998) with weights:
// each pair of shard and node draws a number u, and the shard belongs to the
// node with the lowest −log₂(u)/weight. Every node so wins in proportion to its
// weight, and a pair's draw depends on nothing else (promise 6).
//
// Nodes of equal weight are compared by their draws alone; the logarithm, in
// integers, is only taken of the winner of each weight. Time O(K·N) with one
// mix per pair.
func rendezvous(in *Input) Result {
	if in.rules != nil || in.bound > 0 {
		return hashed(in, newRendezvousWalk(in))
	}
	owner := slices.Clone(in.current)
	classes := byWeight(in.nodes)
	var logs *logTable
	if len(classes) > 1 {
		logs = newLogTable()
	}
	seed := namespaceHash(in.namespace)
	free := 0
	for s := range owner {
		if in.Fixed(s) {
			continue
		}
		free++
		if len(classes) > 0 {
			owner[s] = winner(classes, logs, nth(seed, s))
		}
	}
	return conclude(in, owner, bestBalance(in.nodes, free))
}

// class is the nodes of one weight; hashes are beside their indices.
type class struct {
	weight uint64
	hashes []uint64
	nodes  []int32 // ascending
}

func byWeight(nodes []Node) []class {
	at := map[Weight]int{}
	var classes []class
	for i, n := range nodes {
		c, seen := at[n.Weight]
		if !seen {
			c = len(classes)
			at[n.Weight] = c
			classes = append(classes, class{weight: uint64(n.Weight)})
		}
		classes[c].hashes = append(classes[c].hashes, nodeHash(n.ID))
		classes[c].nodes = append(classes[c].nodes, int32(i))
	}
	slices.SortFunc(classes, func(a, b class) int { return cmp.Compare(a.weight, b.weight) })
	return classes
}

// best returns the highest draw and its node, the lowest index among equals.
func (c *class) best(shard uint64) (draw uint64, node int32) {
	at := 0
	for i, h := range c.hashes {
		if d := mix(shard ^ h); d > draw {
			draw, at = d, i
		}
	}
	return draw, c.nodes[at]
}

// winner orders pairs by cost −log₂(u)/weight, then the higher draw, then the
// lower index. That order is one for all nodes, of whatever weight: the log
// never falls while draws rise, so a class's best draw is also its best pair.
func winner(classes []class, logs *logTable, shard uint64) int32 {
	draw, node := classes[0].best(shard)
	if len(classes) == 1 {
		return node
	}
	weight, cost := classes[0].weight, logs.cost(draw)
	for i := range classes[1:] {
		c := &classes[i+1]
		d, n := c.best(shard)
		l := logs.cost(d)
		// cost < 2^47 and weight < 2^17: the products fit.
		mine, theirs := l*weight, cost*c.weight
		if mine < theirs || mine == theirs && (d > draw || d == draw && n < node) {
			draw, node, weight, cost = d, n, c.weight, l
		}
	}
	return node
}
