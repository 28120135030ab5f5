package placement

import (
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func noReaders(in *Input, n int) []int32 {
	return slices.Repeat([]int32{NoOwner}, n*in.ShardCount())
}

func always(int) bool { return true }

// TestReaders: never with the writer, on nodes that satisfy, in domains of their
// own where asked or where there are enough, as many as can be, and once placed
// left alone.
func TestReaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawLabelled(t, 6, true)
		in := drawInput(t, nodes, 30, false)
		rules := Rules{Separate: rapid.SampledFrom([]string{"", "", KeyZone}).Draw(t, "separate")}
		if rapid.Bool().Draw(t, "require") {
			rules.Require = []Selector{{Key: "disk", Values: []string{"ssd"}}}
		}
		if err := in.Constrain(rules); err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, 3).Draw(t, "readers")
		has := noReaders(in, n)
		for i := range has {
			has[i] = rapid.Int32Range(NoOwner, int32(len(nodes))-1).Draw(t, "reader")
		}
		reads := Readers(in, n, in.current, has, always)
		for s, writer := range in.current {
			checkReaders(t, in, writer, reads[s*n:(s+1)*n])
		}
		if diff := gocmp.Diff(reads, Readers(in, n, in.current, reads, always)); diff != "" {
			t.Fatalf("placed again: %s", diff)
		}
	})
}

func checkReaders(t *rapid.T, in *Input, writer int32, mine []int32) {
	rules := in.Rules()
	zones, used := map[string]bool{}, map[int32]bool{}
	if writer != NoOwner {
		zones[in.nodes[writer].Zone], used[writer] = true, true
	}
	missing := 0
	for _, r := range mine {
		if r == NoOwner {
			missing++
			continue
		}
		n := &in.nodes[r]
		if used[r] || !matchesAll(rules.Require, n) || rules.Separate != "" && zones[n.Zone] {
			t.Fatalf("reader %s beside writer %d: %v", n.ID, writer, mine)
		}
		used[r], zones[n.Zone] = true, true
	}
	for i := range in.nodes {
		n := &in.nodes[i]
		if missing > 0 && !used[int32(i)] && matchesAll(rules.Require, n) && (rules.Separate == "" || !zones[n.Zone]) {
			t.Fatalf("%s could read: %v, writer %d", n.ID, mine, writer)
		}
	}
}

// TestReadersBalance: an even share for each node, all in other zones.
func TestReadersBalance(t *testing.T) {
	nodes := fleet(30)
	for i := range nodes {
		nodes[i].Zone = string(rune('a' + i%3))
	}
	in := mustInput(t, "demo", 3_000, nodes)
	writer := optimal(in).Owner
	reads := Readers(in, 2, writer, noReaders(in, 2), always)
	load := make([]int, len(nodes))
	for i, r := range reads {
		w := writer[i/2]
		if nodes[r].Zone == nodes[w].Zone || nodes[reads[i^1]].Zone == nodes[r].Zone {
			t.Fatalf("shard %d: writer %d, readers %v", i/2, w, reads[i&^1:(i|1)+1])
		}
		load[r]++
	}
	if slices.Max(load) > 201 || slices.Min(load) < 199 {
		t.Errorf("loads %v", load)
	}
	// A lost node: its readers go elsewhere, no others move.
	has := slices.Clone(reads)
	for i, r := range has {
		if r == 4 {
			has[i] = NoOwner
		}
	}
	if err := in.Constrain(Rules{Require: []Selector{{Key: KeyNode, Not: true, Values: []string{nodes[4].ID}}}}); err != nil {
		t.Fatal(err)
	}
	after := Readers(in, 2, writer, has, always)
	for i, r := range has {
		if r != NoOwner && !slices.Contains(after[i&^1:(i|1)+1], r) {
			t.Fatalf("reader %d of shard %d moved: %v", r, i/2, after[i&^1:(i|1)+1])
		}
	}
}
