package placement

// Certificate sets a result beside the best that any strategy could have done.
// Loads are shards per weight of One, over shards that are not fixed: with
// ordinary nodes, plain counts. The two lower bounds are functions of the input
// alone, so that strategies can be compared by them.
type Certificate struct {
	MaxBefore, MeanBefore float64
	MaxAfter, MeanAfter   float64

	Moved    int // shards that leave an eligible owner for another
	Placed   int // unowned shards that get an owner
	Unplaced int // free shards without an owner: there is no node

	// LowerBoundMax is the lowest MaxAfter that whole shards allow.
	LowerBoundMax float64
	// LowerBoundMoves is the fewest moves to the best balance (promises 2, 3).
	LowerBoundMoves int
	// GapMax is MaxAfter − LowerBoundMax, never negative.
	GapMax float64
	// GapMoves is Moved − LowerBoundMoves. It is negative for a strategy that
	// moves less because it does not reach the best balance.
	GapMoves int

	// Unplaceable is the number of shards that the rules leave without a node;
	// Result says which. Those that have an owner keep it.
	Unplaceable int `json:",omitempty"`
	// Binding says which rules keep the load from being lower, or shards from
	// being placed; empty where the fleet alone decides.
	Binding string `json:",omitempty"`
}

func certify(in *Input, owner []int32, b bounds) Certificate {
	before, unownedBefore := in.loads(in.current)
	c := Certificate{
		LowerBoundMax:   b.top.perOne(),
		LowerBoundMoves: fewestMoves(before, unownedBefore, b),
	}
	c.measure(in, owner)
	return c
}

// measure fills in what was done; the bounds are already there.
func (c *Certificate) measure(in *Input, owner []int32) {
	before, unownedBefore := in.loads(in.current)
	after, unplaced := in.loads(owner)
	c.Placed, c.Unplaced = unownedBefore-unplaced, unplaced
	c.MaxBefore, c.MeanBefore = maxMean(in.nodes, before)
	c.MaxAfter, c.MeanAfter = maxMean(in.nodes, after)
	for s, from := range in.current {
		if from != NoOwner && owner[s] != from {
			c.Moved++
		}
	}
	c.GapMax = c.MaxAfter - c.LowerBoundMax
	c.GapMoves = c.Moved - c.LowerBoundMoves
}

func maxMean(nodes []Node, load []int) (highest, mean float64) {
	top, sum := ratio{0, 1}, ratio{0, 0}
	for i, n := range nodes {
		r := ratio{int64(load[i]), int64(n.Weight)}
		if top.less(r) {
			top = r
		}
		sum.shards += r.shards
		sum.weight += r.weight
	}
	return top.perOne(), sum.perOne()
}

// fewestMoves is the closed form that DESIGN.md proves: every shard above a
// node's upper bound has to leave it, and every shard that a node lacks to its
// lower bound has to come from somewhere, of which only the unowned come free.
func fewestMoves(load []int, unowned int, b bounds) int {
	var over, under int
	for i, n := range load {
		over += max(0, n-b.hi[i])
		under += max(0, b.lo[i]-n)
	}
	return max(over, under-unowned)
}
