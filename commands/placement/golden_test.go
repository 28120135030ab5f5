package placement

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fillVectors adds answers where a vector has none. It never replaces one: vectors are
// kept for ever, and a difference is a bug in the code.
var fillVectors = flag.Bool("fill", false, "write answers to vectors in testdata that have none")

type vectorNode struct {
	ID     string  `json:"id"`
	Weight float64 `json:"weight,omitempty"`
}

type vectorRange struct {
	First int    `json:"first"`
	Count int    `json:"count"`
	Node  string `json:"node"` // "" = fixed without an owner
	Fixed bool   `json:"fixed,omitempty"`
}

// answer is what one strategy says. Owners are in full up to 64 shards; Digest
// is the SHA-256 of all indices, as little-endian 32-bit integers.
type answer struct {
	Owners      []string `json:"owners,omitempty"`
	Digest      string   `json:"digest"`
	Certificate Certificate
}

// placementVector asks one question; Answers has one entry per strategy.
type placementVector struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Shards    int               `json:"shards"`
	Nodes     []vectorNode      `json:"nodes"`
	Given     []vectorRange     `json:"given,omitempty"`
	Answers   map[string]answer `json:"answers,omitempty"`
}

func (v placementVector) input(t *testing.T) *Input {
	nodes := make([]Node, len(v.Nodes))
	for i, n := range v.Nodes {
		nodes[i].ID = n.ID
		if n.Weight != 0 {
			w, err := WeightOf(n.Weight)
			if err != nil {
				t.Fatal(err)
			}
			nodes[i].Weight = w
		}
	}
	in := mustInput(t, v.Namespace, v.Shards, nodes)
	for _, g := range v.Given {
		in.Own(g.First, g.Count, in.Index(g.Node))
		if g.Fixed {
			in.Fix(g.First, g.Count)
		}
	}
	return in
}

func TestPlacementVectors(t *testing.T) {
	const file = "testdata/placement.json"
	var vectors []placementVector
	readVectors(t, file, &vectors)
	for i := range vectors {
		v := &vectors[i]
		for name, strategy := range strategies(t) {
			r := strategy(v.input(t))
			want, known := v.Answers[name]
			got := answer{Digest: digest(r.Owner), Certificate: r.Certificate}
			if v.Shards <= 64 {
				for s := range r.Owner {
					got.Owners = append(got.Owners, r.OwnerID(s))
				}
			}
			switch {
			case known:
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s (-kept +now):\n%s", v.Name, name, diff)
				}
			case *fillVectors:
				if v.Answers == nil {
					v.Answers = map[string]answer{}
				}
				v.Answers[name] = got
			default:
				t.Errorf("%s has no answer for %s: go test -run Vectors -fill", v.Name, name)
			}
		}
	}
	writeVectors(t, file, vectors)
}

func digest(owner []int32) string {
	h := sha256.New()
	if err := binary.Write(h, binary.LittleEndian, owner); err != nil {
		panic(err) // a slice of int32 to a hash cannot fail
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestShardForKeyVectors(t *testing.T) {
	const file = "testdata/shard_for_key.json"
	var vectors []struct {
		Key        string  `json:"key"`
		ShardCount uint32  `json:"shardCount"`
		Shard      *uint32 `json:"shard,omitempty"`
	}
	readVectors(t, file, &vectors)
	for i, v := range vectors {
		got := ShardForKey(v.Key, v.ShardCount)
		switch {
		case v.Shard != nil:
			if got != *v.Shard {
				t.Errorf("key %q of %d shards is in %d, was always in %d", v.Key, v.ShardCount, got, *v.Shard)
			}
		case *fillVectors:
			vectors[i].Shard = &got
		default:
			t.Errorf("key %q of %d shards has no answer: go test -run Vectors -fill", v.Key, v.ShardCount)
		}
	}
	writeVectors(t, file, vectors)
}

func readVectors(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func writeVectors(t *testing.T, file string, vectors any) {
	t.Helper()
	if !*fillVectors || t.Failed() {
		return
	}
	raw, err := json.MarshalIndent(vectors, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
