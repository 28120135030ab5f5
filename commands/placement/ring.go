package placement

import (
	"cmp"
	"slices"
	"sort"
)

// VirtualNodes is the number of points on the ring of a node of weight One.
// 128 keep the spread that comes from the points near 9 %.
const VirtualNodes = 128

type point struct {
	at   uint64
	node int32
}

// ring is consistent hashing (Karger et al., 1997): a free shard belongs to the
// first point at or after its hash, around the end to the first. A node has
// VirtualNodes points per weight of One, rounded, at least one; they depend on
// its id and weight alone, which makes promise 6 hold. At equal hashes the lower
// id is first. Time O(P log P + K log P) with P points.
func ring(in *Input) Result {
	if in.rules != nil || in.bound > 0 {
		return hashed(in, newRingWalk(in))
	}
	owner := slices.Clone(in.current)
	points := ringPoints(in.nodes)
	seed := namespaceHash(in.namespace)
	free := 0
	for s := range owner {
		if in.Fixed(s) {
			continue
		}
		free++
		if len(points) == 0 {
			continue // without nodes every shard is already without an owner
		}
		h := nth(seed, s)
		i := sort.Search(len(points), func(i int) bool { return points[i].at >= h })
		owner[s] = points[i%len(points)].node
	}
	return conclude(in, owner, bestBalance(in.nodes, free))
}

func ringPoints(nodes []Node) []point {
	total := 0
	for _, n := range nodes {
		total += pointsOf(n)
	}
	points := make([]point, 0, total)
	for i, n := range nodes {
		seed := nodeHash(n.ID)
		for j := range pointsOf(n) {
			points = append(points, point{nth(seed, j), int32(i)})
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.node, b.node))
	})
	return points
}

func pointsOf(n Node) int {
	return max(1, (int(n.Weight)*VirtualNodes+int(One)/2)/int(One))
}
