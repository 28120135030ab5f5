package placement

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// everyAssignment calls visit with each assignment of the shards to n nodes.
func everyAssignment(shards, n int, visit func(owner []int32)) {
	owner := make([]int32, shards)
	for {
		visit(owner)
		s := 0
		for s < shards && int(owner[s]) == n-1 {
			owner[s] = 0
			s++
		}
		if s == shards {
			return
		}
		owner[s]++
	}
}

// peak is the highest load per weight, exactly; ok is false where a node is
// below the whole part of its share.
func peak(in *Input, owner []int32) (top *big.Rat, ok bool) {
	load, _ := in.loads(owner)
	var weight int64
	for _, n := range in.nodes {
		weight += int64(n.Weight)
	}
	top, ok = new(big.Rat), true
	for i, n := range load {
		w := int64(in.nodes[i].Weight)
		if r := big.NewRat(int64(n), w); r.Cmp(top) > 0 {
			top = r
		}
		if int64(n+1)*weight <= int64(len(owner))*w { // a whole shard below k·w/W
			ok = false
		}
	}
	return top, ok
}

// TestCertificateAgainstBruteForce: promises 3 and 4 by trying every
// assignment. The lowest maximum is sought among all of them, also those that
// leave a node below its share: that it is found all the same is part of the
// proof of bestBalance.
func TestCertificateAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, drawNodes(t, 1, 4, true), 6, false)
		lowest := big.NewRat(1<<40, 1)
		everyAssignment(in.ShardCount(), len(in.nodes), func(owner []int32) {
			if top, _ := peak(in, owner); top.Cmp(lowest) < 0 {
				lowest = top
			}
		})
		fewest := in.ShardCount() + 1
		everyAssignment(in.ShardCount(), len(in.nodes), func(owner []int32) {
			if top, ok := peak(in, owner); !ok || top.Cmp(lowest) > 0 {
				return
			}
			moves := 0
			for s, o := range owner {
				if in.Current(s) != NoOwner && in.Current(s) != o {
					moves++
				}
			}
			fewest = min(fewest, moves)
		})
		r := optimal(in)
		top, ok := peak(in, r.Owner)
		if !ok || top.Cmp(lowest) != 0 {
			t.Fatalf("highest load per weight %v (shares kept: %v), possible is %v", top, ok, lowest)
		}
		c := r.Certificate
		if c.Moved != fewest || c.LowerBoundMoves != fewest || c.GapMoves != 0 {
			t.Fatalf("fewest moves are %d: %+v", fewest, c)
		}
		want, _ := new(big.Rat).Mul(lowest, big.NewRat(int64(One), 1)).Float64()
		if c.MaxAfter != want || c.LowerBoundMax != want || c.GapMax != 0 {
			t.Fatalf("lowest maximum is %v: %+v", want, c)
		}
	})
}
