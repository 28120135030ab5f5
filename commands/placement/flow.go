package placement

import "math"

// network is a flow network of integers. Its arcs are kept in pairs: arc e and
// its reverse e^1. Everything is deterministic: arcs are tried in the order in
// which they were added.
type network struct {
	first []int32 // per vertex, its last added arc
	arcs  []arc
	level []int32 // of the breadth-first search
	at    []int32 // the next arc that a vertex tries
	queue []int32
	dist  []int64
	// price of a vertex makes every residual arc's reduced cost, cost + price of
	// its tail − price of its head, at least 0.
	price []int64
	heap  distHeap
}

type arc struct {
	to, next  int32
	room      int32
	cost, was int32 // was is the room before any flow
}

func newNetwork(vertices, arcs int) *network {
	n := &network{
		first: make([]int32, vertices), level: make([]int32, vertices),
		at: make([]int32, vertices), arcs: make([]arc, 0, 2*arcs),
	}
	for v := range n.first {
		n.first[v] = -1
	}
	return n
}

// add adds an arc and returns its number.
func (n *network) add(from, to, room, cost int) int {
	e := len(n.arcs)
	n.arcs = append(n.arcs,
		arc{to: int32(to), next: n.first[from], room: int32(room), was: int32(room), cost: int32(cost)},
		arc{to: int32(from), next: n.first[to], cost: int32(-cost)})
	n.first[from], n.first[to] = int32(e), int32(e+1)
	return e
}

// flow is what an arc carries.
func (n *network) flow(e int) int { return int(n.arcs[e].was - n.arcs[e].room) }

// widen raises the room of an arc, keeping what it carries.
func (n *network) widen(e, room int) {
	a := &n.arcs[e]
	a.room += int32(room) - a.was
	a.was = int32(room)
}

// admissible arcs have room, and where prices are kept, no reduced cost.
func (n *network) admissible(v int32, a *arc) bool {
	return a.room > 0 && (n.price == nil || int64(a.cost)+n.price[v] == n.price[a.to])
}

// search labels the vertices by their distance from s over admissible arcs.
func (n *network) search(s, t int) bool {
	for v := range n.level {
		n.level[v] = -1
	}
	n.level[s] = 0
	n.queue = append(n.queue[:0], int32(s))
	for i := 0; i < len(n.queue); i++ {
		v := n.queue[i]
		for e := n.first[v]; e >= 0; e = n.arcs[e].next {
			if a := &n.arcs[e]; n.level[a.to] < 0 && n.admissible(v, a) {
				n.level[a.to] = n.level[v] + 1
				n.queue = append(n.queue, a.to)
			}
		}
	}
	return n.level[t] >= 0
}

func (n *network) push(v, t, most int32) int32 {
	if v == t {
		return most
	}
	sent := int32(0)
	for ; n.at[v] >= 0; n.at[v] = n.arcs[n.at[v]].next {
		e := n.at[v]
		a := &n.arcs[e]
		if n.level[a.to] != n.level[v]+1 || !n.admissible(v, a) {
			continue
		}
		f := n.push(a.to, t, min(most-sent, a.room))
		n.arcs[e].room -= f
		n.arcs[e^1].room += f
		if sent += f; sent == most {
			return sent
		}
	}
	return sent
}

// maximum sends as much more as it can from s to t, and returns how much (Dinic,
// 1970). Afterwards level is at least 0 exactly for the vertices on the side of
// s of the minimum cut that is nearest to s.
func (n *network) maximum(s, t int) int {
	total := 0
	for n.search(s, t) {
		copy(n.at, n.first)
		total += int(n.push(int32(s), int32(t), math.MaxInt32))
	}
	return total
}

// cheapest sends as much as it can at the least cost, which must not be negative
// on any arc with room at the beginning: the primal-dual method, one maximum
// flow over the shortest paths for each length that they have. Placements have
// few lengths.
func (n *network) cheapest(s, t int) {
	n.price = make([]int64, len(n.first))
	n.dist = make([]int64, len(n.first))
	for n.reprice(s, t) {
		n.maximum(s, t)
	}
	n.price = nil
}

const far = math.MaxInt64

// reprice raises the prices by the distances from s (Dijkstra, 1959), cut off at
// that of t. It reports whether t can be reached.
func (n *network) reprice(s, t int) bool {
	for v := range n.dist {
		n.dist[v] = far
	}
	n.dist[s] = 0
	n.heap = append(n.heap[:0], distEntry{0, int32(s)})
	for len(n.heap) > 0 {
		top := n.heap.pop()
		if top.dist > n.dist[top.vertex] {
			continue
		}
		for e := n.first[top.vertex]; e >= 0; e = n.arcs[e].next {
			a := &n.arcs[e]
			if a.room == 0 {
				continue
			}
			d := top.dist + int64(a.cost) + n.price[top.vertex] - n.price[a.to]
			if d < n.dist[a.to] {
				n.dist[a.to] = d
				n.heap.push(distEntry{d, a.to})
			}
		}
	}
	if n.dist[t] == far {
		return false
	}
	for v := range n.price {
		n.price[v] += min(n.dist[v], n.dist[t])
	}
	return true
}

type distEntry struct {
	dist   int64
	vertex int32
}

// distHeap is a binary heap. container/heap would box each of its entries.
type distHeap []distEntry

func (h *distHeap) push(e distEntry) {
	s := append(*h, e)
	i := len(s) - 1
	for i > 0 && s[(i-1)/2].dist > e.dist {
		s[i] = s[(i-1)/2]
		i = (i - 1) / 2
	}
	s[i] = e
	*h = s
}

func (h *distHeap) pop() distEntry {
	s := *h
	top, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	i := 0
	for 2*i+1 < len(s) {
		c := 2*i + 1
		if c+1 < len(s) && s[c+1].dist < s[c].dist {
			c++
		}
		if s[c].dist >= last.dist {
			break
		}
		s[i] = s[c]
		i = c
	}
	if len(s) > 0 {
		s[i] = last
	}
	*h = s
	return top
}
