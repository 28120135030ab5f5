package member

import (
	"fmt"
	"testing"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"pgregory.net/rapid"
)

// TestTable: a table is what a map would be, and one that was given out never
// changes.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBuilder()
		now := map[uint32]string{}
		type given struct {
			table *table
			rows  map[uint32]string
		}
		var all []given
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				shard := rapid.Uint32Range(0, 3*pageSize).Draw(t, "shard")
				node := rapid.SampledFrom([]string{"", "n1", "n2", "n3"}).Draw(t, "node")
				b.set(shard, &controlv1.ShardRecord{OwnerNodeId: node})
				now[shard] = node
			},
			"remove": func(t *rapid.T) {
				shard := rapid.Uint32Range(0, 3*pageSize).Draw(t, "shard")
				b.remove(shard)
				delete(now, shard)
			},
			"give out": func(*rapid.T) {
				rows := map[uint32]string{}
				for k, v := range now {
					rows[k] = v
				}
				all = append(all, given{b.table(1), rows})
			},
			"": func(t *rapid.T) {
				for _, g := range all {
					compareTable(t, g.table, g.rows)
				}
			},
		})
	})
}

func compareTable(t *rapid.T, tb *table, rows map[uint32]string) {
	t.Helper()
	count := uint32(0)
	for shard := range rows {
		count = max(count, shard+1)
	}
	if tb.count != count {
		t.Fatalf("table has %d shards, expected %d", tb.count, count)
	}
	for shard := range count {
		want, there := rows[shard]
		c := tb.cell(shard)
		got := ""
		if c.owner >= 0 {
			got = tb.nodes[c.owner]
		}
		if got != want || (c.owner != noRow) != there {
			t.Fatalf("shard %d is %q (%d), expected %q (%t)", shard, got, c.owner, want, there)
		}
	}
}

func filled(shards int) *route {
	b := newBuilder()
	for i := range shards {
		b.set(uint32(i), &controlv1.ShardRecord{OwnerNodeId: fmt.Sprintf("n%d", i%1000), FenceToken: int64(i)})
	}
	r := &route{namespace: "demo", ready: make(chan struct{})}
	r.table.Store(b.table(1))
	return r
}

func BenchmarkRoute(b *testing.B) {
	m := &Member{}
	m.routes = newRoutes(m)
	m.routes.all.Store(&map[string]*route{"demo": filled(100_000)})
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("customer-%d", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := m.Route("demo", keys[i%len(keys)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTable100k(b *testing.B) {
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			filled(100_000)
		}
	})
	b.Run("one change", func(b *testing.B) {
		bu := newBuilder()
		for i := range uint32(100_000) {
			bu.set(i, &controlv1.ShardRecord{OwnerNodeId: "n1"})
		}
		bu.table(1)
		rec := &controlv1.ShardRecord{OwnerNodeId: "n2"}
		b.ReportAllocs()
		for i := uint32(0); b.Loop(); i++ {
			bu.set(i%100_000, rec)
			bu.table(1)
		}
	})
}

// BenchmarkCore33k: a batch of rows for a node that owns 33,000 shards.
func BenchmarkCore33k(b *testing.B) {
	for b.Loop() {
		c := NewCore("n1")
		c.Step(0, Opened{Session: 1, TTL: 8e9, Position: 1})
		var batch Batch
		for i := range uint32(33_000) {
			batch = append(batch, Changed{Position: 2, Row: Row{Ref: Ref{Namespace: "demo", Shard: i}, Owner: "n1", Session: 1, Fence: 2}})
			if len(batch) == maxBatch {
				c.Step(0, batch)
				batch = nil
			}
		}
		c.Step(0, batch)
	}
}
