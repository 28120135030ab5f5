package placement

// Result is where the shards of one input should be.
type Result struct {
	// Nodes is the input's, ascending by ID.
	Nodes []Node
	// Owner has, per shard, an index into Nodes or NoOwner. A fixed shard has
	// the owner that it was given with.
	Owner []int32
	// Changes lists the shards whose owner differs from the given one, ascending,
	// as the longest ranges with one origin and one destination.
	Changes     []Change
	Certificate Certificate
	// Unplaceable lists the shards that the rules leave without a node.
	Unplaceable []Unplaceable
}

// Change gives Count consecutive shards from First on to another node. From is
// NoOwner where they were unowned: such a change is a placement, not a move.
type Change struct {
	First, Count int
	From, To     int32
}

// OwnerID returns the id of the shard's owner, or "" if it has none.
func (r *Result) OwnerID(shard int) string {
	if o := r.Owner[shard]; o != NoOwner {
		return r.Nodes[o].ID
	}
	return ""
}

// conclude completes what a strategy found: owner is its answer, b the bounds
// of the best balance for the same input.
func conclude(in *Input, owner []int32, b bounds) Result {
	return Result{
		Nodes:       in.nodes,
		Owner:       owner,
		Changes:     changes(in.current, owner),
		Certificate: certify(in, owner, b),
	}
}

func changes(before, after []int32) []Change {
	var out []Change
	for s, to := range after {
		from := before[s]
		if from == to {
			continue
		}
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.First+last.Count == s && last.From == from && last.To == to {
				last.Count++
				continue
			}
		}
		out = append(out, Change{First: s, Count: 1, From: from, To: to})
	}
	return out
}
