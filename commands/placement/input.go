package placement

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// NoOwner stands where a node's index would, for a shard without an eligible owner.
const NoOwner int32 = -1

// Bounds of an Input. They protect arithmetic and memory (the ring takes 16
// bytes for each of its points); what a namespace may hold is the shard
// context's rule and is lower.
const (
	MaxShards      = 1 << 24
	MaxNodes       = 100_000
	MaxTotalWeight = 100_000 * uint64(One)
)

// ErrInvalid is wrapped by every refusal of an input.
var ErrInvalid = errors.New("placement: invalid input")

// Input is one namespace's question. Make it with NewInput, then tell it the
// owners and the fixed shards. Strategies do not change it.
type Input struct {
	namespace string
	nodes     []Node  // ascending by ID, weights filled in
	current   []int32 // per shard an index into nodes, or NoOwner
	fixed     []bool  // per shard; nil while none is fixed
	rules     *constraints
	bound     int // of Ring and Rendezvous, in thousandths of the mean; 0 is none
}

// NewInput returns an input whose shards 0 … shardCount-1 are all unowned and
// free. The nodes are copied and sorted; there may be none.
func NewInput(namespace string, shardCount int, nodes []Node) (*Input, error) {
	if shardCount < 0 || shardCount > MaxShards {
		return nil, fmt.Errorf("%w: namespace %q has %d shards, allowed are 0 to %d",
			ErrInvalid, namespace, shardCount, MaxShards)
	}
	sorted, err := sortNodes(nodes)
	if err != nil {
		return nil, fmt.Errorf("namespace %q: %w", namespace, err)
	}
	in := &Input{namespace: namespace, nodes: sorted, current: make([]int32, shardCount)}
	for s := range in.current {
		in.current[s] = NoOwner
	}
	return in, nil
}

func sortNodes(nodes []Node) ([]Node, error) {
	if len(nodes) > MaxNodes {
		return nil, fmt.Errorf("%w: %d nodes, allowed are at most %d", ErrInvalid, len(nodes), MaxNodes)
	}
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	var total uint64
	for i := range sorted {
		n := &sorted[i]
		if n.ID == "" {
			return nil, fmt.Errorf("%w: a node has an empty id", ErrInvalid)
		}
		if i > 0 && n.ID == sorted[i-1].ID {
			return nil, fmt.Errorf("%w: node %q is given twice", ErrInvalid, n.ID)
		}
		if n.Weight == 0 {
			n.Weight = One
		}
		if n.Weight > MaxWeight {
			return nil, fmt.Errorf("%w: node %q has weight %d thousandths, allowed are %d to %d",
				ErrInvalid, n.ID, n.Weight, MinWeight, MaxWeight)
		}
		total += uint64(n.Weight)
	}
	if total > MaxTotalWeight {
		return nil, fmt.Errorf("%w: weights add up to %d thousandths, allowed are at most %d",
			ErrInvalid, total, MaxTotalWeight)
	}
	return sorted, nil
}

// Nodes returns the nodes, ascending by ID; indices in this package point into
// it. The caller must not change it.
func (in *Input) Nodes() []Node { return in.nodes }

// ShardCount returns the number of shards, fixed ones included.
func (in *Input) ShardCount() int { return len(in.current) }

// Index returns the index of the node with that id, or NoOwner if it is not
// among the eligible.
func (in *Input) Index(id string) int32 {
	i, found := slices.BinarySearchFunc(in.nodes, id, func(n Node, id string) int { return cmp.Compare(n.ID, id) })
	if !found {
		return NoOwner
	}
	return int32(i)
}

// Own records that the node at index node, or nobody (NoOwner), has the count
// shards from first on. It panics on a shard or an index that does not exist.
func (in *Input) Own(first, count int, node int32) {
	if node < NoOwner || int(node) >= len(in.nodes) {
		panic(fmt.Sprintf("placement: Own with node index %d of %d nodes", node, len(in.nodes)))
	}
	shards := in.current[first : first+count]
	for i := range shards {
		shards[i] = node
	}
}

// Fix takes the count shards from first on out of placement: they are held,
// paused or quarantined. It panics on a shard that does not exist.
func (in *Input) Fix(first, count int) {
	if in.fixed == nil {
		in.fixed = make([]bool, len(in.current))
	}
	shards := in.fixed[first : first+count]
	for i := range shards {
		shards[i] = true
	}
}

// Current returns the index of the shard's given owner, or NoOwner.
func (in *Input) Current(shard int) int32 { return in.current[shard] }

// Fixed reports whether the shard is out of placement.
func (in *Input) Fixed(shard int) bool { return in.fixed != nil && in.fixed[shard] }

// loads counts, for an assignment of this input's shards, the free shards per
// node and those that have none.
func (in *Input) loads(owner []int32) (perNode []int, unowned int) {
	perNode = make([]int, len(in.nodes))
	for s, o := range owner {
		switch {
		case in.Fixed(s):
		case o == NoOwner:
			unowned++
		default:
			perNode[o]++
		}
	}
	return perNode, unowned
}
