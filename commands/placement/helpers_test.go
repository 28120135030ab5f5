package placement

import (
	"fmt"
	"math/rand/v2"

	"pgregory.net/rapid"
)

// fataler is what *testing.T, *testing.B and *rapid.T have in common.
type fataler interface{ Fatal(...any) }

func mustInput(t fataler, namespace string, shards int, nodes []Node) *Input {
	in, err := NewInput(namespace, shards, nodes)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func fleet(n int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i].ID = fmt.Sprintf("n%05d", i)
	}
	return nodes
}

// carry makes the input that follows a result: the same shards over other
// nodes, owners taken along by id.
func carry(t fataler, in *Input, r Result, nodes []Node) *Input {
	next := mustInput(t, in.namespace, in.ShardCount(), nodes)
	for s := range r.Owner {
		next.Own(s, 1, next.Index(r.OwnerID(s)))
	}
	next.fixed = in.fixed
	return next
}

func drawNodes(t *rapid.T, least, most int, weighted bool) []Node {
	ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}`), least, most, rapid.ID).Draw(t, "ids")
	nodes := make([]Node, len(ids))
	for i, id := range ids {
		nodes[i].ID = id
		if weighted {
			nodes[i].Weight = rapid.SampledFrom([]Weight{1, 250, One, One, 1500, 3 * One, MaxWeight}).Draw(t, "weight")
		}
	}
	return nodes
}

// drawInput draws owners that need not be balanced, and some fixed shards.
func drawInput(t *rapid.T, nodes []Node, mostShards int, fix bool) *Input {
	k := rapid.IntRange(0, mostShards).Draw(t, "shards")
	in := mustInput(t, rapid.StringMatching(`[a-z]{1,4}`).Draw(t, "namespace"), k, nodes)
	for s := range k {
		in.Own(s, 1, rapid.Int32Range(NoOwner, int32(len(nodes))-1).Draw(t, "owner"))
		if fix && rapid.IntRange(0, 3).Draw(t, "fixed") == 0 {
			in.Fix(s, 1)
		}
	}
	return in
}

func strategies(t fataler) map[string]Strategy {
	out := map[string]Strategy{}
	for _, name := range Names() {
		s, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

func spread(in *Input, r Result) (lowest, highest, total int) {
	load, _ := in.loads(r.Owner)
	lowest = in.ShardCount()
	for _, n := range load {
		lowest, highest, total = min(lowest, n), max(highest, n), total+n
	}
	return lowest, highest, total
}

func shuffled(seed uint64, nodes []Node) []Node {
	out := append([]Node(nil), nodes...)
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
