package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// Bounds of a load bound, in thousandths of the mean.
const (
	MinLoadBound = 1_000
	MaxLoadBound = 100_000
)

// Bound says, for Ring and Rendezvous, that no node has more than this many
// thousandths of the mean load by weight, rounded up to whole shards; 0 takes the
// bound away (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded
// Loads, 2016). A shard whose node is full goes to the next that is not. A bound
// yields to rules that leave no other node.
func (in *Input) Bound(permille int) error {
	if permille != 0 && (permille < MinLoadBound || permille > MaxLoadBound) {
		return fmt.Errorf("%w: a load bound of %d thousandths, allowed are 0 and %d to %d",
			ErrInvalid, permille, MinLoadBound, MaxLoadBound)
	}
	in.bound = permille
	return nil
}

// hashed places by a walk under rules and a bound: the classes that the fewest
// nodes may have come first, and within a class shards by id. What is left, because
// earlier shards took the room, gets it by the fewest moves of them.
func hashed(in *Input, w walk) Result {
	// Who has what must not matter: the same nodes and rules give the same owners.
	empty := *in
	empty.current = slices.Clone(in.current)
	for s := range empty.current {
		if !in.Fixed(s) {
			empty.current[s] = NoOwner
		}
	}
	pl := newProblem(&empty, false).prepare()
	owner := slices.Clone(empty.current)
	room := pl.bounded()
	left := make([]int, len(pl.parts))
	for i := range left {
		left[i] = pl.total(i)
	}
	placed := 0
	for _, c := range pl.narrowFirst() {
		placed += pl.walkClass(w, c, owner, room, left)
	}
	if placed < pl.placed {
		pl.complete(owner)
	}
	var out []int
	for s, c := range pl.class {
		if c >= 0 && owner[s] == NoOwner {
			owner[s] = in.current[s]
			out = append(out, s)
		}
	}
	balanced := newProblem(in, false).prepare()
	return balanced.conclude(owner, balanced.solve().moves(), out)
}

// bounded is the room of each node within the load bound.
func (pl *plan) bounded() []int {
	room := slices.Clone(pl.room)
	if pl.in.bound == 0 {
		return room
	}
	weight := uint64(0)
	for n, g := range pl.groupOf {
		if g >= 0 {
			weight += uint64(pl.in.nodes[n].Weight)
		}
	}
	for n, g := range pl.groupOf {
		if g >= 0 {
			// 2^24 shards, 100,000 thousandths and a weight below 2^17 are within 2^58.
			share := uint64(pl.free()) * uint64(pl.in.bound) * uint64(pl.in.nodes[n].Weight)
			room[n] = min(room[n], int((share+1000*weight-1)/(1000*weight)))
		}
	}
	return room
}

func (pl *plan) narrowFirst() []int {
	nodes := make([]int, len(pl.count))
	order := make([]int, len(pl.count))
	for c := range pl.count {
		order[c] = c
		for g := range pl.groups {
			if pl.fits(c, g) {
				nodes[c] += len(pl.groups[g].nodes)
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(nodes[a], nodes[b]) })
	return order
}

// total is what a part gets of all classes together.
func (pl *plan) total(part int) int {
	sum := 0
	for _, n := range pl.given[part] {
		sum += n
	}
	return sum
}

// walkClass places the shards of a class, each part within what is left of its
// total. What the plan gives it of each class does not bind: it would change with
// every node.
func (pl *plan) walkClass(w walk, class int, owner []int32, room, left []int) (placed int) {
	part := make([]int, len(pl.in.nodes))
	members := make([][]int32, len(pl.parts))
	var nodes []int32
	for i, groups := range pl.parts {
		for _, g := range groups {
			for _, n := range pl.groups[g].nodes {
				part[n] = i
				if pl.fits(class, int(g)) && left[i] > 0 && room[n] > 0 {
					members[i] = append(members[i], n)
				}
			}
		}
		nodes = append(nodes, members[i]...)
	}
	slices.Sort(nodes)
	w.start(nodes)
	for s, c := range pl.class {
		if c != int32(class) {
			continue
		}
		n := w.first(s)
		if n == NoOwner {
			break
		}
		owner[s] = n
		placed++
		if room[n]--; room[n] == 0 {
			w.full(n)
		}
		if left[part[n]]--; left[part[n]] == 0 {
			for _, m := range members[part[n]] {
				w.full(m)
			}
		}
	}
	return placed
}

// complete places what has no owner yet, by the fewest moves of the others.
func (pl *plan) complete(owner []int32) {
	next := *pl.in
	next.current = owner
	p := newProblem(&next, false)
	loose := p.newPlan()
	all := make([]bool, len(p.count))
	for c := range all {
		all[c] = true
	}
	for i, groups := range pl.parts {
		l := level{takes: all, total: pl.total(i)}
		for _, g := range groups {
			loose.levelOf[g] = int32(len(loose.levels))
			for _, n := range p.groups[g].nodes {
				loose.hi[n] = p.room[n]
			}
		}
		loose.levels = append(loose.levels, l)
	}
	k := loose.solve()
	filled := slices.Clone(owner)
	k.release(filled)
	for _, s := range k.fill(filled) {
		filled[s] = NoOwner
	}
	copy(owner, filled)
}
