package placement

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// dumbMoves is the fewest moves with equal weights, found without any bound of
// the package: the nodes that have most keep ⌈K/N⌉, the others ⌊K/N⌋, and
// whatever a node has beyond that moves.
func dumbMoves(in *Input) int {
	load, unowned := in.loads(in.current)
	k := unowned
	for _, n := range load {
		k += n
	}
	slices.SortFunc(load, func(a, b int) int { return cmp.Compare(b, a) })
	moves := 0
	for i, n := range load {
		want := k / len(load)
		if i < k%len(load) {
			want++
		}
		moves += max(0, n-want)
	}
	return moves
}

// TestBalanceWithFewestMoves: promises 2 and 4 from any owners (S6).
func TestBalanceWithFewestMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, drawNodes(t, 1, 12, false), 150, true)
		r := optimal(in)
		lowest, highest, k := spread(in, r)
		n := len(in.nodes)
		if highest != (k+n-1)/n || lowest != k/n {
			t.Fatalf("%d shards on %d nodes: loads from %d to %d", k, n, lowest, highest)
		}
		if got, want := r.Certificate.Moved, dumbMoves(in); got != want {
			t.Fatalf("moved %d, fewest are %d", got, want)
		}
		if r.Certificate.LowerBoundMoves != r.Certificate.Moved || r.Certificate.GapMax != 0 {
			t.Fatalf("certificate shows a gap: %+v", r.Certificate)
		}
	})
}

// TestJoinsAndLosses: promises 5 and 6 along random histories (S5), fixed
// shards among them. Nodes without zones are one place to Locality, which does as
// Optimal: with unequal weights both may move what survivors have.
func TestJoinsAndLosses(t *testing.T) {
	for name, strategy := range strategies(t) {
		even := name == Optimal || name == Locality
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				pool := drawNodes(t, 2, 12, !even)
				alive := rapid.IntRange(1, len(pool)-1).Draw(t, "alive")
				in := drawInput(t, pool[:alive], 150, true)
				r := strategy(in)
				for range 8 {
					last, prior := in, r
					join := alive == 1 || alive < len(pool) && rapid.Bool().Draw(t, "join")
					changed := pool[alive-1].ID
					if join {
						changed = pool[alive].ID
						alive++
					} else {
						alive--
					}
					in = carry(t, last, prior, pool[:alive])
					r = strategy(in)
					if join {
						checkJoin(t, even, in, r, changed)
					} else {
						checkLoss(t, last, prior, in, r, changed)
					}
					// The next change hits another node.
					i := rapid.IntRange(0, alive-1).Draw(t, "next")
					pool[i], pool[alive-1] = pool[alive-1], pool[i]
				}
			})
		})
	}
}

func checkJoin(t *rapid.T, even bool, in *Input, r Result, joined string) {
	for _, c := range r.Changes {
		if r.Nodes[c.To].ID != joined {
			t.Fatalf("join of %s: shard %d moves to %s", joined, c.First, r.Nodes[c.To].ID)
		}
	}
	_, _, k := spread(in, r)
	if n := len(in.nodes); even && r.Certificate.Moved > k/n {
		t.Fatalf("join moves %d of %d shards to one of %d nodes", r.Certificate.Moved, k, n)
	}
}

func checkLoss(t *rapid.T, before *Input, prior Result, in *Input, r Result, lost string) {
	for s := range r.Owner {
		was, is := prior.OwnerID(s), r.OwnerID(s)
		switch {
		case in.Fixed(s):
			if is != "" && is != was {
				t.Fatalf("fixed shard %d went from %q to %q", s, was, is)
			}
		case was == lost && is == "":
			t.Fatalf("shard %d of the lost node is not placed", s)
		case was != lost && is != was:
			t.Fatalf("loss of %s: shard %d went from %s to %s", lost, s, was, is)
		}
	}
}

// TestFixedShardsStay: promise 7 (S10), for every strategy.
func TestFixedShardsStay(t *testing.T) {
	for name, strategy := range strategies(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := drawInput(t, drawNodes(t, 1, 8, true), 80, true)
				r := strategy(in)
				for s := range r.Owner {
					if in.Fixed(s) && r.Owner[s] != in.Current(s) {
						t.Fatalf("fixed shard %d went from %d to %d", s, in.Current(s), r.Owner[s])
					}
				}
				// Where a fixed shard is makes no difference to the others.
				other := *in
				other.current = slices.Clone(in.current)
				for s := range other.current {
					if in.Fixed(s) {
						other.current[s] = NoOwner
					}
				}
				if a, b := r.Certificate, strategy(&other).Certificate; a != b {
					t.Fatalf("fixed shards count: %+v with owners, %+v without", a, b)
				}
			})
		})
	}
}

// TestSameEverywhereAndAgain: promises 1 (order, S8) and 8.
func TestSameEverywhereAndAgain(t *testing.T) {
	for name, strategy := range strategies(t) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				nodes := drawNodes(t, 1, 10, true)
				in := drawInput(t, nodes, 80, true)
				r := strategy(in)

				other := mustInput(t, in.namespace, in.ShardCount(), shuffled(rapid.Uint64().Draw(t, "order"), nodes))
				other.current, other.fixed = in.current, in.fixed
				if diff := gocmp.Diff(r, strategy(other)); diff != "" {
					t.Fatalf("order of nodes matters: %s", diff)
				}

				again := strategy(carry(t, in, r, nodes))
				if len(again.Changes) != 0 || again.Certificate.Moved != 0 || again.Certificate.LowerBoundMoves != 0 && name == Optimal {
					t.Fatalf("placed again: %+v", again)
				}
			})
		})
	}
}

// TestChangesAreTheDifference: Result.Changes and the counts follow from Owner.
func TestChangesAreTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, drawNodes(t, 1, 6, true), 60, true)
		for _, strategy := range strategies(t) {
			r := strategy(in)
			replay, moved, placed := slices.Clone(in.current), 0, 0
			for i, c := range r.Changes {
				if i > 0 && c.First < r.Changes[i-1].First+r.Changes[i-1].Count {
					t.Fatalf("changes overlap or are out of order: %v", r.Changes)
				}
				for s := c.First; s < c.First+c.Count; s++ {
					if replay[s] != c.From {
						t.Fatalf("shard %d: change from %d, owner is %d", s, c.From, replay[s])
					}
					replay[s] = c.To
				}
				if c.From == NoOwner {
					placed += c.Count
				} else {
					moved += c.Count
				}
			}
			if diff := gocmp.Diff(r.Owner, replay); diff != "" {
				t.Fatal(diff)
			}
			if moved != r.Certificate.Moved || placed != r.Certificate.Placed {
				t.Fatalf("changes move %d and place %d, certificate %+v", moved, placed, r.Certificate)
			}
		}
	})
}
