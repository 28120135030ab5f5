package placement

import (
	"slices"
	"sort"
)

// walk is the order in which a shard tries nodes; start narrows it to some nodes,
// full takes one of them out, first is the best that is left.
type walk interface {
	start(nodes []int32)
	full(node int32)
	first(shard int) int32
}

// ringWalk is the ring of some nodes.
type ringWalk struct {
	all, points []point
	in          *Input
	seed        uint64
	out         []bool
	closed      int // points of nodes that are out
}

func newRingWalk(in *Input) *ringWalk {
	return &ringWalk{all: ringPoints(in.nodes), in: in, seed: namespaceHash(in.namespace), out: make([]bool, len(in.nodes))}
}

func (w *ringWalk) start(nodes []int32) {
	for i := range w.out {
		w.out[i] = true
	}
	for _, n := range nodes {
		w.out[n] = false
	}
	w.points = append(w.points[:0], w.all...)
	w.sweep()
}

// sweep drops the points of nodes that are out, so that walks stay short.
func (w *ringWalk) sweep() {
	w.points = slices.DeleteFunc(w.points, func(p point) bool { return w.out[p.node] })
	w.closed = 0
}

func (w *ringWalk) full(node int32) {
	if w.out[node] {
		return
	}
	w.out[node] = true
	if w.closed += pointsOf(w.in.nodes[node]); 2*w.closed >= len(w.points) {
		w.sweep()
	}
}

func (w *ringWalk) first(shard int) int32 {
	h := nth(w.seed, shard)
	i := sort.Search(len(w.points), func(i int) bool { return w.points[i].at >= h })
	for j := range w.points {
		if p := w.points[(i+j)%len(w.points)]; !w.out[p.node] {
			return p.node
		}
	}
	return NoOwner
}

// rendezvousWalk is the draws of some nodes.
type rendezvousWalk struct {
	in      *Input
	seed    uint64
	logs    *logTable
	nodes   []int32
	classes []class
}

func newRendezvousWalk(in *Input) *rendezvousWalk {
	return &rendezvousWalk{in: in, seed: namespaceHash(in.namespace), logs: newLogTable()}
}

func (w *rendezvousWalk) start(nodes []int32) {
	w.nodes = slices.Clone(nodes)
	w.sort()
}

func (w *rendezvousWalk) sort() {
	some := make([]Node, len(w.nodes))
	for i, n := range w.nodes {
		some[i] = w.in.nodes[n]
	}
	w.classes = byWeight(some)
	for i := range w.classes {
		for j, n := range w.classes[i].nodes {
			w.classes[i].nodes[j] = w.nodes[n]
		}
	}
}

func (w *rendezvousWalk) full(node int32) {
	if i, found := slices.BinarySearch(w.nodes, node); found {
		w.nodes = slices.Delete(w.nodes, i, i+1)
		w.sort()
	}
}

func (w *rendezvousWalk) first(shard int) int32 {
	if len(w.nodes) == 0 {
		return NoOwner
	}
	return winner(w.classes, w.logs, nth(w.seed, shard))
}
