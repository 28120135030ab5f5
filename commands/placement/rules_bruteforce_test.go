package placement

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawRules(t *rapid.T, shards int) Rules {
	var r Rules
	if rapid.IntRange(0, 2).Draw(t, "require") == 0 {
		r.Require = []Selector{{Key: "disk", Not: rapid.Bool().Draw(t, "not"), Values: []string{"ssd"}}}
	}
	for range rapid.IntRange(0, 3).Draw(t, "pins") {
		if shards == 0 {
			break
		}
		first := rapid.IntRange(0, shards-1).Draw(t, "first")
		pin := Pin{Shards: []Range{{uint32(first), uint32(rapid.IntRange(1, shards-first).Draw(t, "count"))}}}
		key := rapid.SampledFrom([]string{KeyZone, "disk", KeyNode}).Draw(t, "key")
		value := rapid.SampledFrom([]string{"a", "b", "ssd", "n0", "n1"}).Draw(t, "value")
		pin.Require = []Selector{{Key: key, Not: rapid.Bool().Draw(t, "not"), Values: []string{value}}}
		r.Pins = append(r.Pins, pin)
	}
	r.MaxPerNode = rapid.SampledFrom([]uint32{0, 0, 1, 2, 3}).Draw(t, "maxPerNode")
	if rapid.IntRange(0, 2).Draw(t, "spread") == 0 {
		r.Spread, r.MaxSkew = KeyZone, rapid.Uint32Range(1, 3).Draw(t, "skew")
	}
	if rapid.IntRange(0, 3).Draw(t, "capacity") == 0 {
		r.CapacityLabel = "room"
	}
	return r
}

func drawLabelled(t *rapid.T, most int, weighted bool) []Node {
	nodes := make([]Node, rapid.IntRange(0, most).Draw(t, "nodes"))
	for i := range nodes {
		nodes[i] = Node{
			ID: fmt.Sprintf("n%d", i), Zone: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone"),
			Labels: map[string]string{"disk": rapid.SampledFrom([]string{"ssd", "hdd"}).Draw(t, "disk")},
		}
		if rapid.Bool().Draw(t, "bounded") {
			nodes[i].Labels["room"] = fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "room"))
		}
		if weighted {
			nodes[i].Weight = rapid.SampledFrom([]Weight{250, One, One, 1500, 3 * One}).Draw(t, "weight")
		}
	}
	return nodes
}

func drawRuled(t *rapid.T, weighted bool, mostShards int) *Input {
	in := drawInput(t, drawLabelled(t, 4, weighted), mostShards, true)
	if err := in.Constrain(drawRules(t, in.ShardCount())); err != nil {
		t.Fatal(err)
	}
	return in
}

// allowed is what rules say, written down as plainly as possible; fixed shards
// only use room.
func allowed(in *Input, owner []int32) bool {
	r := in.Rules()
	load, free, domain := map[int32]int{}, map[int32]int{}, map[string]int{}
	for i := range in.nodes {
		n := &in.nodes[i]
		if matchesAll(r.Require, n) && n.Value(r.Spread) != "" {
			domain[n.Value(r.Spread)] = 0
		}
	}
	for s, o := range owner {
		if o == NoOwner {
			continue
		}
		load[o]++
		if in.Fixed(s) {
			continue
		}
		free[o]++
		n := &in.nodes[o]
		if !matchesAll(r.Require, n) {
			return false
		}
		for _, p := range r.Pins {
			for _, part := range p.Shards {
				if uint32(s)-part.First < part.Count && !matchesAll(p.Require, n) {
					return false
				}
			}
		}
		if r.Spread != "" {
			domain[n.Value(r.Spread)]++
		}
	}
	for o := range free {
		if load[o] > capacity(&r, &in.nodes[o]) {
			return false
		}
	}
	if r.Spread == "" {
		return true
	}
	lowest, highest := len(owner), 0
	for _, k := range domain {
		lowest, highest = min(lowest, k), max(highest, k)
	}
	return len(domain) == 0 || highest-lowest <= int(r.MaxSkew)
}

// everyPlacement is everyAssignment where a free shard may also have no owner,
// and a fixed one has the owner that it has.
func everyPlacement(in *Input, visit func(owner []int32)) {
	owner := slices.Clone(in.current)
	var place func(s int)
	place = func(s int) {
		switch {
		case s == len(owner):
			visit(owner)
		case in.Fixed(s):
			place(s + 1)
		default:
			for n := NoOwner; n < int32(len(in.nodes)); n++ {
				owner[s] = n
				place(s + 1)
			}
		}
	}
	place(0)
}

// loadsDown are the loads per weight, the highest first.
func loadsDown(in *Input, owner []int32) []*big.Rat {
	load, _ := in.loads(owner)
	out := make([]*big.Rat, len(load))
	for i, n := range load {
		out[i] = big.NewRat(int64(n), int64(in.nodes[i].Weight))
	}
	slices.SortFunc(out, func(a, b *big.Rat) int { return b.Cmp(a) })
	return out
}

func compareDown(a, b []*big.Rat) int {
	return slices.CompareFunc(a, b, func(a, b *big.Rat) int { return a.Cmp(b) })
}

// placedOwner is the result without the shards that could not be placed.
func placedOwner(r Result) []int32 {
	owner := slices.Clone(r.Owner)
	for _, u := range r.Unplaceable {
		for _, part := range u.Shards {
			for s := part.First; s < part.First+part.Count; s++ {
				owner[s] = NoOwner
			}
		}
	}
	return owner
}

func placedFree(in *Input, owner []int32) int {
	load, _ := in.loads(owner)
	n := 0
	for _, l := range load {
		n += l
	}
	return n
}

func (pl *plan) satisfiedBy(owner []int32) bool {
	load := make([]int, len(pl.in.nodes))
	total := make([]int, len(pl.levels))
	for s, o := range owner {
		if c := pl.class[s]; c >= 0 && o != NoOwner {
			if pl.groupOf[o] < 0 || !pl.takes(int(c), int(pl.groupOf[o])) {
				return false
			}
			load[o]++
			total[pl.levelOf[pl.groupOf[o]]]++
		}
	}
	for n, k := range load {
		if pl.groupOf[n] >= 0 && (k < pl.lo[n] || k > pl.hi[n]) {
			return false
		}
	}
	for l, k := range total {
		if k != pl.levels[l].total {
			return false
		}
	}
	return true
}

// TestRulesAgainstBruteForce: promises 10 and 11 by trying every placement.
func TestRulesAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weighted := rapid.Bool().Draw(t, "weighted")
		in := drawRuled(t, weighted, 5)
		if in.rules == nil {
			return
		}
		r := optimal(in)
		got := placedOwner(r)
		if !allowed(in, got) {
			t.Fatalf("breaks the rules %+v: %v", in.Rules(), r.Owner)
		}
		most, lowestTop := 0, []*big.Rat(nil)
		everyPlacement(in, func(owner []int32) {
			n := placedFree(in, owner)
			if n < most || !allowed(in, owner) {
				return
			}
			down := loadsDown(in, owner)
			if n > most || lowestTop == nil || compareDown(down, lowestTop) < 0 {
				most, lowestTop = n, down
			}
		})
		if n := placedFree(in, got); n != most {
			t.Fatalf("places %d shards, %d can be: rules %+v, %+v", n, most, in.Rules(), r)
		}
		checkBalance(t, in, got, lowestTop, weighted)
		checkMoves(t, in, r)
	})
}

func checkBalance(t *rapid.T, in *Input, got []int32, best []*big.Rat, weighted bool) {
	down := loadsDown(in, got)
	rules := in.Rules()
	switch {
	case len(down) == 0:
	case rules.Spread == "" && !weighted:
		if compareDown(down, best) != 0 {
			t.Fatalf("loads %v, the most even are %v: rules %+v", down, best, rules)
		}
	case rules.Spread == "" || !slices.Contains(got, NoOwner):
		if down[0].Cmp(best[0]) != 0 {
			t.Fatalf("highest load %v, the lowest possible is %v: rules %+v", down[0], best[0], rules)
		}
	}
}

func checkMoves(t *rapid.T, in *Input, r Result) {
	if len(r.Unplaceable) > 0 {
		return // which shards have no place is a choice of its own
	}
	pl := newProblem(in, false).prepare()
	if !pl.satisfiedBy(r.Owner) {
		t.Fatalf("not as planned: %+v", r)
	}
	fewest := in.ShardCount() + 1
	everyPlacement(in, func(owner []int32) {
		if !pl.satisfiedBy(owner) {
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
	if c := r.Certificate; c.Moved != fewest || c.LowerBoundMoves != fewest {
		t.Fatalf("fewest moves are %d: %+v", fewest, c)
	}
	if down := loadsDown(in, r.Owner); len(down) > 0 {
		want, _ := new(big.Rat).Mul(down[0], big.NewRat(int64(One), 1)).Float64()
		if r.Certificate.LowerBoundMax != want {
			t.Fatalf("bound of the highest load is %v, reached is %v", r.Certificate.LowerBoundMax, want)
		}
	}
}

// TestRulesAgain: promises 1 and 8 under rules.
func TestRulesAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawRuled(t, true, 40)
		for _, name := range Names() {
			strategy := strategies(t)[name]
			r := strategy(in)
			again := carry(t, in, r, shuffled(rapid.Uint64().Draw(t, "order"), in.nodes))
			if err := again.Constrain(in.Rules()); err != nil {
				t.Fatal(err)
			}
			again.bound = in.bound
			if r2 := strategy(again); len(r2.Changes) != 0 {
				t.Fatalf("%s: placed again: %+v after %+v", name, r2, r)
			}
		}
	})
}
