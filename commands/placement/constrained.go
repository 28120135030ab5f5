package placement

import "slices"

// costUneven is the cost of a shard above the least that a node should have: more
// than any chain of moves that would put it where one is missing.
const costUneven = 1 << 24

// constrained places under rules. What each node should have is the plan's; which
// shards stay is the flow that keeps most; which of equal ones move is chosen as
// by optimal, so that ranges stay long.
func constrained(in *Input, locality bool) Result {
	pl := newProblem(in, locality).prepare()
	k := pl.solve()
	owner := slices.Clone(in.current)
	k.release(owner)
	out := k.fill(owner)
	return pl.conclude(owner, k.moves(), out)
}

// keeping is which shards, by class, stay with which node and which go to it.
type keeping struct {
	*plan
	keep   []int // per entry of has
	gain   map[uint64]int
	placed []int // per class
	kept   []int // per class
}

func pair(class, node int32) uint64 { return uint64(class)<<32 | uint64(uint32(node)) }

// shardFlow is the network of solve: source, classes, groups, nodes, levels, sink,
// and the arcs whose flow is the answer.
type shardFlow struct {
	*network
	pl     *plan
	supply []int    // per class
	come   []coming // classes to groups
	into   []int    // per node, from its group
	stay   []int    // per entry of has; -1 where it may not
}

type coming struct{ class, group, arc int }

func (f *shardFlow) class(c int) int  { return 1 + c }
func (f *shardFlow) group(g int) int  { return f.class(len(f.pl.count)) + g }
func (f *shardFlow) node(n int32) int { return f.group(len(f.pl.groups)) + int(n) }
func (f *shardFlow) level(l int) int  { return f.node(int32(len(f.pl.in.nodes))) + l }
func (f *shardFlow) sink() int        { return f.level(len(f.pl.levels)) }

// newShardFlow: a class goes either straight to a node (shards that stay, as many
// as it has, for nothing) or to a group and to any of its nodes (shards that come,
// for one each), then to the node's level, and to the sink. Each level gets its
// total, no node more than hi, and none less than lo.
func newShardFlow(pl *plan) *shardFlow {
	f := &shardFlow{pl: pl, supply: make([]int, len(pl.count)), into: make([]int, len(pl.in.nodes)), stay: make([]int, len(pl.has))}
	f.network = newNetwork(f.sink()+1, len(pl.count)*(len(pl.groups)+1)+len(pl.has)+3*len(pl.in.nodes)+len(pl.levels))
	for c, count := range pl.count {
		f.supply[c] = f.add(0, f.class(c), count, 0)
		for g := range pl.groups {
			if count > 0 && pl.takes(c, g) {
				f.come = append(f.come, coming{c, g, f.add(f.class(c), f.group(g), count, 1)})
			}
		}
	}
	for g := range pl.groups {
		for _, n := range pl.groups[g].nodes {
			level := f.level(int(pl.levelOf[g]))
			f.into[n] = f.add(f.group(g), f.node(n), pl.hi[n], 0)
			f.add(f.node(n), level, pl.lo[n], 0)
			f.add(f.node(n), level, pl.hi[n]-pl.lo[n], costUneven)
		}
	}
	for i, h := range pl.has {
		f.stay[i] = -1
		if pl.takes(int(h.class), int(pl.groupOf[h.node])) {
			f.stay[i] = f.add(f.class(int(h.class)), f.node(h.node), h.count, 0)
		}
	}
	for l := range pl.levels {
		f.add(f.level(l), f.sink(), pl.levels[l].total, 0)
	}
	return f
}

// solve finds the flow of least cost that places all that can be placed.
func (pl *plan) solve() *keeping {
	f := newShardFlow(pl)
	f.cheapest(0, f.sink())
	k := &keeping{plan: pl, keep: make([]int, len(pl.has)), gain: map[uint64]int{},
		placed: make([]int, len(pl.count)), kept: make([]int, len(pl.count))}
	for c, e := range f.supply {
		k.placed[c] = f.flow(e)
	}
	for i, e := range f.stay {
		if e >= 0 {
			k.keep[i] = f.flow(e)
			k.kept[pl.has[i].class] += k.keep[i]
		}
	}
	arriving := make([][][2]int, len(pl.groups)) // class and count, by group
	for _, c := range f.come {
		if n := f.flow(c.arc); n > 0 {
			arriving[c.group] = append(arriving[c.group], [2]int{c.class, n})
		}
	}
	for g := range pl.groups {
		k.hand(arriving[g], pl.groups[g].nodes, func(n int32) int { return f.flow(f.into[n]) })
	}
	return k
}

// hand gives what arrives at a group to its nodes, in the order of both.
func (k *keeping) hand(arriving [][2]int, nodes []int32, gets func(int32) int) {
	for _, n := range nodes {
		for left := gets(n); left > 0; {
			give := min(left, arriving[0][1])
			k.gain[pair(int32(arriving[0][0]), n)] += give
			left -= give
			if arriving[0][1] -= give; arriving[0][1] == 0 {
				arriving = arriving[1:]
			}
		}
	}
}

// moves is the number of shards that leave their owner for another: of what
// arrives, first the unowned.
func (k *keeping) moves() int {
	sum := 0
	for c := range k.placed {
		arrive := k.placed[c] - k.kept[c]
		sum += arrive - min(arrive, k.unowned[c])
	}
	return sum
}

// release makes unowned what does not stay: all shards that are where they may
// not be, and of the others the shortest runs first, the last from its end.
func (k *keeping) release(owner []int32) {
	give := map[uint64]int{}
	for i, h := range k.has {
		if n := h.count - k.keep[i]; n > 0 {
			give[pair(h.class, h.node)] = n
		}
	}
	var runs []classRun
	for s, o := range owner {
		c := k.class[s]
		if c < 0 || o == NoOwner {
			continue
		}
		if g := k.groupOf[o]; g < 0 || !k.fits(int(c), int(g)) {
			owner[s] = NoOwner
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].node == o && runs[n-1].class == c && runs[n-1].first+runs[n-1].count == s {
			runs[n-1].count++
		} else if len(give) > 0 && give[pair(c, o)] > 0 {
			runs = append(runs, classRun{run{o, s, 1}, c})
		}
	}
	slices.SortFunc(runs, shorterRun)
	for _, r := range runs {
		key := pair(r.class, r.node)
		n := min(r.count, give[key])
		for s := r.first + r.count - n; s < r.first+r.count; s++ {
			owner[s] = NoOwner
		}
		give[key] -= n
	}
}

type classRun struct {
	run
	class int32
}

func shorterRun(a, b classRun) int {
	switch {
	case a.node != b.node:
		return int(a.node - b.node)
	case a.count != b.count:
		return a.count - b.count
	}
	return b.first - a.first
}

// fill gives every unowned shard that is placed to a node that gets one of its
// class: one beside it, or the first. Shards that have no place keep the owner
// that they had, if any, and are returned.
func (k *keeping) fill(owner []int32) (out []int) {
	k.leaveOut(owner)
	takers := make([][]int32, len(k.count))
	for _, key := range sortedKeys(k.gain) {
		takers[key>>32] = append(takers[key>>32], int32(uint32(key)))
	}
	take := func(s int, n int32) bool {
		if n < 0 {
			return false
		}
		key := pair(k.class[s], n)
		if k.gain[key] == 0 {
			return false
		}
		k.gain[key]--
		owner[s] = n
		return true
	}
	for s := range owner { // runs grow to the right
		if owner[s] == NoOwner && k.class[s] >= 0 && s > 0 {
			take(s, owner[s-1])
		}
	}
	for s := len(owner) - 2; s >= 0; s-- { // and to the left
		if owner[s] == NoOwner && k.class[s] >= 0 {
			take(s, owner[s+1])
		}
	}
	for s := range owner {
		if owner[s] != NoOwner || k.class[s] < 0 {
			continue
		}
		for t := &takers[k.class[s]]; len(*t) > 0 && !take(s, (*t)[0]); {
			*t = (*t)[1:]
		}
	}
	for s := range owner {
		if owner[s] == stays {
			owner[s] = k.in.current[s]
			out = append(out, s)
		}
	}
	return out
}

// stays marks, during fill, a shard that has no place.
const stays int32 = -2

// leaveOut marks the shards without a place: of a class first those that have an
// owner, which keeps them, and the last before the first.
func (k *keeping) leaveOut(owner []int32) {
	for c, count := range k.count {
		short := count - k.placed[c]
		for _, owned := range []bool{true, false} {
			for s := len(owner) - 1; s >= 0 && short > 0; s-- {
				if k.class[s] == int32(c) && owner[s] == NoOwner && (k.in.current[s] != NoOwner) == owned {
					owner[s] = stays
					short--
				}
			}
		}
	}
}
