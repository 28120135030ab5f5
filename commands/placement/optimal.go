package placement

import (
	"cmp"
	"slices"
)

// optimal reaches the best balance by the fewest moves (promises 2 to 5). How
// many shards a node gives or gets is settled by targets; which shards they are
// is chosen so that ranges stay long, because facts on the log are ranges.
// Time O(K + K' log K' + N log N), K' being the ranges of nodes that give.
func optimal(in *Input) Result {
	if in.rules != nil {
		return constrained(in, false)
	}
	load, unowned := in.loads(in.current)
	k := unowned
	for _, n := range load {
		k += n
	}
	b := bestBalance(in.nodes, k)
	owner := slices.Clone(in.current)
	if len(in.nodes) > 0 {
		want := targets(in.nodes, load, k, b)
		release(in, owner, load, want)
		fill(in, owner, load, want)
	}
	return conclude(in, owner, b)
}

// run is a range of free shards of one owner.
type run struct {
	node         int32
	first, count int
}

// release makes unowned what nodes have beyond what they are wanted to have.
// A node gives its shortest runs first and the last one from its end: that
// leaves it with the fewest runs. load is kept in step.
func release(in *Input, owner []int32, load, want []int) {
	runs := givingRuns(in, owner, load, want)
	slices.SortFunc(runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.count, b.count), cmp.Compare(b.first, a.first))
	})
	for _, r := range runs {
		give := min(r.count, load[r.node]-want[r.node])
		for s := r.first + r.count - give; s < r.first+r.count; s++ {
			owner[s] = NoOwner
		}
		load[r.node] -= give
	}
}

func givingRuns(in *Input, owner []int32, load, want []int) []run {
	var runs []run
	for s, o := range owner {
		if o == NoOwner || in.Fixed(s) || load[o] <= want[o] {
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].node == o && runs[n-1].first+runs[n-1].count == s {
			runs[n-1].count++
			continue
		}
		runs = append(runs, run{o, s, 1})
	}
	return runs
}

// fill gives every free unowned shard to a node that is wanted to have more:
// first to the owners on either side of a gap, so that their runs grow, then to
// the others by id, each taking all that it lacks in one go.
func fill(in *Input, owner []int32, load, want []int) {
	gap := func(s int) bool { return owner[s] == NoOwner && !in.Fixed(s) }
	take := func(first, count int, node int32) {
		for s := first; s < first+count; s++ {
			owner[s] = node
		}
		load[node] += count
	}
	for s := 0; s < len(owner); s++ {
		if !gap(s) {
			continue
		}
		first := s
		for s < len(owner) && gap(s) {
			s++
		}
		if first > 0 && owner[first-1] != NoOwner {
			left := owner[first-1]
			n := min(s-first, max(0, want[left]-load[left]))
			take(first, n, left)
			first += n
		}
		if s < len(owner) && owner[s] != NoOwner {
			right := owner[s]
			n := min(s-first, max(0, want[right]-load[right]))
			take(s-n, n, right)
		}
	}
	node := int32(0)
	for s := range owner {
		if gap(s) {
			for load[node] >= want[node] {
				node++
			}
			take(s, 1, node)
		}
	}
}
