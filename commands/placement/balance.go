package placement

import "container/heap"

// ratio is shards per weight, kept as a fraction so that comparing is exact:
// shards stay below 2^25 and a weight below 2^37, so products fit in 63 bits.
type ratio struct{ shards, weight int64 }

func (a ratio) less(b ratio) bool { return a.shards*b.weight < b.shards*a.weight }

// perOne is the load per weight of One; 0 without any weight.
func (a ratio) perOne() float64 {
	if a.weight == 0 {
		return 0
	}
	return float64(a.shards*int64(One)) / float64(a.weight)
}

// bounds are the loads that make the best balance of a number of shards: a
// placement has it if and only if every node i has between lo[i] and hi[i].
type bounds struct {
	lo, hi []int
	top    ratio // the lowest possible maximum of load per weight
}

// bestBalance returns the bounds for k shards over the nodes. lo is the whole
// part of a node's share k·w/W. top is found by giving the remaining shards one
// by one to the node that has the lowest load per weight with it (the method of
// D'Hondt, which minimises the maximum and never leaves a node below the whole
// part of its share; so starting from lo loses nothing). hi is what stays
// within top. With equal weights lo = ⌊k/N⌋ and hi = ⌈k/N⌉.
func bestBalance(nodes []Node, k int) bounds {
	b := bounds{lo: make([]int, len(nodes)), hi: make([]int, len(nodes)), top: ratio{0, 1}}
	var total int64
	for _, n := range nodes {
		total += int64(n.Weight)
	}
	rest := k
	load := make([]int, len(nodes))
	for i, n := range nodes {
		b.lo[i] = int(int64(k) * int64(n.Weight) / total)
		load[i] = b.lo[i]
		rest -= b.lo[i]
		if r := (ratio{int64(b.lo[i]), int64(n.Weight)}); b.top.less(r) {
			b.top = r
		}
	}
	if len(nodes) > 0 && rest > 0 {
		last := raise(nodes, load, rest)
		b.top = ratio{int64(load[last]), int64(nodes[last].Weight)}
	}
	for i, n := range nodes {
		b.hi[i] = int(b.top.shards * int64(n.Weight) / b.top.weight)
	}
	return b
}

// targets returns how many free shards each node should have: within the
// bounds, in total all of them, and by the fewest releases from load. A node
// keeps what it has as far as the bounds and the total allow (DESIGN.md).
func targets(nodes []Node, load []int, k int, b bounds) []int {
	t := make([]int, len(nodes))
	sum := 0
	for i, n := range load {
		t[i] = min(max(n, b.lo[i]), b.hi[i])
		sum += t[i]
	}
	if sum < k {
		raise(nodes, t, k-sum)
	} else if sum > k {
		lower(nodes, t, sum-k)
	}
	return t
}

// raise adds n shards to load, each to the node that then has the lowest load per
// weight, the lowest index among equals. It returns the node that got the last.
// It needs no upper bound: while load adds up to less than Σhi some node is below
// its hi, and the lowest load per weight is then within top.
func raise(nodes []Node, load []int, n int) (last int) {
	h := &ratioHeap{entries: make([]entry, len(nodes))}
	for i, node := range nodes {
		h.entries[i] = entry{ratio{int64(load[i] + 1), int64(node.Weight)}, i}
	}
	heap.Init(h)
	for range n {
		e := &h.entries[0]
		last = e.node
		load[last]++
		e.shards++
		heap.Fix(h, 0)
	}
	return last
}

// lower takes n shards from load, each from the node that has the highest load
// per weight, the highest index among equals. It needs no lower bound: while
// load adds up to more than k some node is above its share k·w/W, the highest
// is, and without one shard it has at least the whole part of that share.
func lower(nodes []Node, load []int, n int) {
	h := &ratioHeap{entries: make([]entry, len(nodes)), highest: true}
	for i, node := range nodes {
		h.entries[i] = entry{ratio{int64(load[i]), int64(node.Weight)}, i}
	}
	heap.Init(h)
	for range n {
		e := &h.entries[0]
		load[e.node]--
		e.shards--
		heap.Fix(h, 0)
	}
}
