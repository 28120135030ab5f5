package placement

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFirstPlacementIsContiguous(t *testing.T) {
	r := optimal(mustInput(t, "demo", 10, fleet(3)))
	want := []Change{{0, 4, NoOwner, 0}, {4, 3, NoOwner, 1}, {7, 3, NoOwner, 2}}
	if diff := cmp.Diff(want, r.Changes); diff != "" {
		t.Fatal(diff)
	}
	wantCert := Certificate{
		MaxAfter: 4, MeanAfter: float64(10) / 3, Placed: 10, LowerBoundMax: 4,
	}
	if diff := cmp.Diff(wantCert, r.Certificate); diff != "" {
		t.Fatal(diff)
	}
}

func TestLossFillsFromBothSides(t *testing.T) {
	nodes := fleet(3)
	in := mustInput(t, "demo", 12, nodes)
	r := optimal(carry(t, in, optimal(in), []Node{nodes[0], nodes[2]}))
	want := []Change{{4, 2, NoOwner, 0}, {6, 2, NoOwner, 1}}
	if diff := cmp.Diff(want, r.Changes); diff != "" {
		t.Fatal(diff)
	}
}

func TestWeightsShareInProportion(t *testing.T) {
	nodes := []Node{{ID: "big", Weight: 3 * One}, {ID: "half", Weight: One / 2}, {ID: "one"}}
	for name, tolerance := range map[string]float64{Optimal: 0.0001, Ring: 0.35, Rendezvous: 0.03} {
		strategy, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		in := mustInput(t, "demo", 90_000, nodes)
		load, _ := in.loads(strategy(in).Owner)
		for i, share := range []float64{60_000, 10_000, 20_000} {
			if math.Abs(float64(load[i])/share-1) > tolerance {
				t.Errorf("%s: node %s has %d shards, its share is %v", name, in.nodes[i].ID, load[i], share)
			}
		}
	}
}

// TestSpreadOfHashing holds the figures of ARCHITECTURE §8 (K 1,000, N 20).
func TestSpreadOfHashing(t *testing.T) {
	for name, most := range map[string]float64{Optimal: 1.00, Ring: 1.45, Rendezvous: 1.45} {
		strategy, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		c := strategy(mustInput(t, "demo", 1000, fleet(20))).Certificate
		t.Logf("%s: max/mean %.2f", name, c.MaxAfter/c.MeanAfter)
		if c.MaxAfter/c.MeanAfter > most {
			t.Errorf("%s: max %v, mean %v", name, c.MaxAfter, c.MeanAfter)
		}
	}
}

func TestNodeAndNamespaceOfOneName(t *testing.T) {
	in := mustInput(t, "n00000", 100, fleet(10))
	load, _ := in.loads(ring(in).Owner)
	if load[0] > 40 {
		t.Fatalf("node %q has %d of 100 shards of the namespace of its name", "n00000", load[0])
	}
}

func TestNobodyIsEligible(t *testing.T) {
	for name, strategy := range strategies(t) {
		in := mustInput(t, "demo", 5, nil)
		in.Fix(1, 1)
		r := strategy(in)
		if len(r.Changes) != 0 || r.OwnerID(0) != "" {
			t.Errorf("%s: %+v", name, r)
		}
		if diff := cmp.Diff(Certificate{Unplaced: 4}, r.Certificate); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	heavy := fleet(1001)
	for i := range heavy {
		heavy[i].Weight = MaxWeight
	}
	for _, c := range []struct {
		shards int
		nodes  []Node
		says   string
	}{
		{-1, nil, "-1 shards"},
		{MaxShards + 1, nil, "0 to 16777216"},
		{1, []Node{{ID: ""}}, "empty id"},
		{1, []Node{{ID: "a"}, {ID: "b"}, {ID: "a"}}, `"a" is given twice`},
		{1, []Node{{ID: "a", Weight: MaxWeight + 1}}, "allowed are 1 to 100000"},
		{1, heavy, "at most 100000000"},
		{1, fleet(MaxNodes + 1), "at most 100000"},
	} {
		_, err := NewInput("demo", c.shards, c.nodes)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error %v, want one that says %s", err, c.says)
		}
	}
	_, err := Named("roundrobin")
	if !errors.Is(err, ErrUnknownStrategy) || !strings.Contains(err.Error(), "optimal, ring, rendezvous") {
		t.Errorf("error %v", err)
	}
	if s, err := Named(""); s == nil || err != nil {
		t.Errorf("no name: %v", err)
	}
}

func TestWeightOf(t *testing.T) {
	for w, want := range map[float64]Weight{1: One, 0.001: MinWeight, 100: MaxWeight, 0.3: 300, 1.0004: One, 2.5: 2500} {
		if got, err := WeightOf(w); got != want || err != nil {
			t.Errorf("WeightOf(%v) = %d, %v", w, got, err)
		}
	}
	for _, w := range []float64{0, -1, 0.0004, 100.01, math.NaN(), math.Inf(1), math.Inf(-1), 1e300} {
		if got, err := WeightOf(w); !errors.Is(err, ErrInvalid) {
			t.Errorf("WeightOf(%v) = %d, %v", w, got, err)
		}
	}
}

func TestLogarithm(t *testing.T) {
	logs := newLogTable()
	last := logs.cost(0)
	for _, draw := range []uint64{1, 2, 3, 5, 1000, 1 << 40, 1<<63 - 1, 1 << 63, 1<<63 + 1, 3 << 62, math.MaxUint64 - 1, math.MaxUint64} {
		cost := logs.cost(draw)
		want := 64 - math.Log2(float64(draw))
		if got := float64(cost) / (1 << logFraction); math.Abs(got-want) > 2e-8 {
			t.Errorf("cost of %d is %v, want %v", draw, got, want)
		}
		if cost > last {
			t.Errorf("cost rises at %d", draw)
		}
		last = cost
	}
}
