package placement

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestEveryStrategyKeepsRules: promise 10, and that no strategy places fewer
// than another, on inputs larger than trying everything allows.
func TestEveryStrategyKeepsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawRuled(t, true, 40)
		in.bound = rapid.SampledFrom([]int{0, 1000, 1250}).Draw(t, "bound")
		most := placedFree(in, placedOwner(optimal(in)))
		for _, name := range Names() {
			r := strategies(t)[name](in)
			got := placedOwner(r)
			if !allowed(in, got) {
				t.Fatalf("%s breaks %+v: %+v", name, in.Rules(), r)
			}
			if n := placedFree(in, got); n != most {
				t.Fatalf("%s places %d, optimal %d, under %+v", name, n, most, in.Rules())
			}
		}
	})
}

// TestHashingKnowsNoOwners: under rules too, ring and rendezvous are functions of
// nodes, rules and fixed shards.
func TestHashingKnowsNoOwners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawRuled(t, true, 40)
		in.bound = 1100
		other := *in
		other.current = slices.Clone(in.current)
		for s := range other.current {
			if !in.Fixed(s) {
				other.current[s] = NoOwner
			}
		}
		for _, name := range []string{Ring, Rendezvous} {
			a, b := strategies(t)[name](in), strategies(t)[name](&other)
			if diff := gocmp.Diff(placedOwner(a), placedOwner(b)); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
		}
	})
}

// TestLoadBound: no node above its share, and the most that a node has falls.
func TestLoadBound(t *testing.T) {
	for _, name := range []string{Ring, Rendezvous} {
		in := mustInput(t, "demo", 10_000, fleet(50))
		free := strategies(t)[name](in)
		if err := in.Bound(1100); err != nil {
			t.Fatal(err)
		}
		r := strategies(t)[name](in)
		if _, highest, total := spread(in, r); highest > 220 || total != 10_000 {
			t.Errorf("%s: %d shards placed, at most %d on a node, the bound is 220", name, total, highest)
		}
		if free.Certificate.MaxAfter <= 220 {
			t.Errorf("%s: is within the bound without it", name)
		}
		// Few shards are elsewhere than without the bound, and a lost node's shards
		// push only a few others on.
		after := carry(t, in, r, fleet(50)[1:])
		after.bound = 1100
		if moved := strategies(t)[name](after).Certificate.Moved; moved > 400 {
			t.Errorf("%s: a lost node moves %d shards of others", name, moved)
		}
	}
	in := mustInput(t, "demo", 1, fleet(1))
	for _, bad := range []int{-1, 999, MaxLoadBound + 1} {
		if err := in.Bound(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("bound %d: %v", bad, err)
		}
	}
}

func places(zones ...string) []Node {
	nodes := make([]Node, len(zones))
	for i, z := range zones {
		region, zone, _ := strings.Cut(z, "/")
		nodes[i] = Node{ID: fmt.Sprintf("n%d", i), Region: region, Zone: zone}
	}
	return nodes
}

func loadsOf(t *testing.T, name string, shards int, nodes []Node, rules Rules) []int {
	t.Helper()
	in := mustInput(t, "demo", shards, nodes)
	if err := in.Constrain(rules); err != nil {
		t.Fatal(err)
	}
	r := strategies(t)[name](in)
	load, _ := in.loads(r.Owner)
	return load
}

func TestLocality(t *testing.T) {
	nodes := places("eu/a", "eu/a", "eu/b", "us/c", "ap/d")
	eu := []Preference{{KeyRegion, "eu"}, {KeyRegion, "us"}}
	for _, c := range []struct {
		what  string
		rules Rules
		want  []int
	}{
		{"zones of the first region share evenly", Rules{Prefer: eu}, []int{5, 5, 10, 0, 0}},
		{"what has no room goes to the second, then to the rest", Rules{Prefer: eu, MaxPerNode: 4}, []int{4, 4, 4, 4, 4}},
		{"a place that is full is passed over", Rules{Prefer: eu, MaxPerNode: 6}, []int{6, 6, 6, 2, 0}},
		{"without a preference all zones share evenly", Rules{}, []int{2, 3, 5, 5, 5}},
		{"a hard spread stands above the preference", Rules{Prefer: eu, Spread: KeyRegion, MaxSkew: 4}, []int{4, 3, 3, 6, 4}},
	} {
		got := loadsOf(t, Locality, 20, nodes, c.rules)
		if c.rules.Spread != "" {
			if eu, us, ap := got[0]+got[1]+got[2], got[3], got[4]; max(eu, us, ap)-min(eu, us, ap) > 4 || eu < us || us < ap {
				t.Errorf("%s: %v", c.what, got)
			}
			continue
		}
		if diff := gocmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
}

// TestUnplaceable: what cannot be placed is named with its reason, and an owner
// that may not have its shard keeps it for want of another.
func TestUnplaceable(t *testing.T) {
	ssd := []Selector{{Key: "disk", Values: []string{"ssd"}}}
	nodes := places("eu/a", "eu/a", "eu/b")
	nodes[0].Labels = map[string]string{"disk": "ssd"}
	for _, c := range []struct {
		rules Rules
		count int
		says  string
	}{
		{Rules{Require: []Selector{{Key: "gpu"}}}, 10, "no node satisfies gpu"},
		{Rules{MaxPerNode: 3}, 1, "the capacity of 3 nodes is 9 shards"},
		{Rules{Pins: []Pin{{Shards: []Range{{0, 4}}, Require: ssd}}, MaxPerNode: 3}, 1, "1 nodes that satisfy pin 0 is 3 shards"},
		{Rules{Pins: []Pin{{Shards: []Range{{0, 5}}, Require: ssd}}, MaxPerNode: 4}, 1, "1 nodes that satisfy pin 0 is 4 shards"},
		{Rules{Spread: KeyZone, MaxSkew: 1, MaxPerNode: 4}, 1, "spread over zone with a skew of at most 1"},
		{Rules{Pins: []Pin{{Shards: []Range{{2, 3}}, Nodes: []string{"n9"}}}}, 3, "no node satisfies pin 0"},
	} {
		in := mustInput(t, "demo", 10, nodes)
		in.Own(0, 10, 1)
		if err := in.Constrain(c.rules); err != nil {
			t.Fatal(err)
		}
		for _, name := range Names() {
			r := strategies(t)[name](in)
			if len(r.Unplaceable) == 0 {
				t.Errorf("%s: all are placed under %+v", name, c.rules)
				continue
			}
			u := r.Unplaceable[0]
			if r.Certificate.Unplaceable != c.count || !strings.Contains(u.Because, c.says) || r.Certificate.Binding != u.Because {
				t.Errorf("%s: %d unplaceable, %+v, want %d because %q", name, r.Certificate.Unplaceable, u, c.count, c.says)
			}
			for _, part := range u.Shards {
				if r.Owner[part.First] != 1 {
					t.Errorf("%s: shard %d lost its owner", name, part.First)
				}
			}
		}
	}
}

func TestBinding(t *testing.T) {
	in := mustInput(t, "demo", 10, places("eu/a", "eu/a", "eu/b"))
	if err := in.Constrain(Rules{Pins: []Pin{{Shards: []Range{{0, 8}}, Nodes: []string{"n1"}}}}); err != nil {
		t.Fatal(err)
	}
	c := optimal(in).Certificate
	if c.MaxAfter != 8 || c.LowerBoundMax != 8 || c.Binding != "8 shards: pin 0" {
		t.Errorf("%+v", c)
	}
}

func TestSelectors(t *testing.T) {
	n := &Node{ID: "n1", Zone: "a", Labels: map[string]string{"disk": "ssd", "zone": "x"}}
	for text, want := range map[string]bool{
		"disk": true, "!disk": false, "gpu": false, "!gpu": true, "disk=ssd": true, "disk=hdd|ssd": true,
		"disk!=ssd": false, "disk!=hdd": true, "gpu!=a": true, "zone=a": true, "zone=x": false, "node=n1": true,
	} {
		s, err := ParseSelector(text)
		if err != nil || s.Matches(n) != want || s.String() != text {
			t.Errorf("%s: %v, %v, written %q", text, s.Matches(n), err, s.String())
		}
	}
	for _, bad := range []string{"", "!", "=a", "!=a", "a=", "a=b|"} {
		if _, err := ParseSelector(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRulesRefused(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	pin := func(p Pin) Rules { return Rules{Pins: []Pin{p}} }
	for _, c := range []struct {
		rules Rules
		field string
	}{
		{Rules{Require: []Selector{{}}}, "require[0].key"},
		{Rules{Require: []Selector{{Key: "a", Values: []string{""}}}}, "require[0].values"},
		{Rules{Require: make([]Selector, MaxSelectors+1)}, "require"},
		{Rules{Pins: make([]Pin, MaxPins+1)}, "pins"},
		{pin(Pin{Nodes: []string{"a"}}), "pins[0].shards"},
		{pin(Pin{Shards: []Range{{5, 6}}, Nodes: []string{"a"}}), "pins[0].shards"},
		{pin(Pin{Shards: []Range{{5, 0}}, Nodes: []string{"a"}}), "pins[0].shards"},
		{pin(Pin{Shards: []Range{{0, 1}}}), "pins[0]"},
		{pin(Pin{Shards: []Range{{0, 1}}, Nodes: []string{long}}), "pins[0].nodes"},
		{pin(Pin{Shards: []Range{{0, 1}}, Require: []Selector{{Key: long}}}), "pins[0].require[0].key"},
		{Rules{Spread: KeyZone}, "maxSkew"},
		{Rules{MaxSkew: 1}, "maxSkew"},
		{Rules{Spread: long, MaxSkew: 1}, "spread"},
		{Rules{Prefer: []Preference{{Key: KeyRegion}}}, "prefer[0]"},
		{Rules{Prefer: make([]Preference, MaxPrefer+1)}, "prefer"},
	} {
		var f *Fault
		if err := c.rules.Check(10); !errors.As(err, &f) || f.Field != c.field || !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v, want a fault of %s", c.rules, err, c.field)
		}
	}
}

func TestTooManyClasses(t *testing.T) {
	var r Rules
	for p := range 10 { // shard s is in pin p where bit p of s is set
		var parts []Range
		for s := range uint32(1024) {
			if s>>p&1 == 1 && len(parts) < MaxRanges {
				parts = append(parts, Range{s, 1})
			}
		}
		r.Pins = append(r.Pins, Pin{Shards: parts, Nodes: []string{"a"}})
	}
	var f *Fault
	if err := r.Check(1024); err != nil && !errors.As(err, &f) {
		t.Fatal(err)
	}
}
