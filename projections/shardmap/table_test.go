package shardmap_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

func tables() []projections.Table { return []projections.Table{shardmap.Table{}} }

func TestIncrementalIsRebuiltIsRedelivered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }
		projectiontest.Check(t, draw, 4, tables(), func(v *projections.View) string { return counts(t, v) })
	})
}

// counts renders the counters and holds them to the rows.
func counts(t projectiontest.TB, v *projections.View) string {
	out := ""
	for _, ns := range []string{"", "ns0", "ns1", "ns2", "ns3"} {
		got, err := shardmap.Count(v, ns)
		if err != nil {
			t.Fatalf("count %q: %v", ns, err)
		}
		want := shardmap.Counts{ByStatus: map[controlv1.ShardStatus]int64{}, Changed: got.Changed}
		page, err := shardmap.List(v, shardmap.Filter{Namespace: ns}, "", 1000, 0)
		if err != nil {
			t.Fatalf("list %q: %v", ns, err)
		}
		rows, err := page.Decode()
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		for _, r := range rows {
			want.Total++
			want.ByStatus[r.Status]++
			if r.OwnerNodeId == "" {
				want.Unowned++
			} else if r.MoveToNodeId != "" {
				want.Moving++
			}
			if r.QuarantinedAt != nil {
				want.Quarantined++
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("counters of %q against rows (-want +got):\n%s", ns, d)
		}
		past, err := shardmap.CountAt(v, ns, v.Position())
		if err != nil {
			t.Fatalf("count %q as of %d: %v", ns, v.Position(), err)
		}
		if past.Changed = got.Changed; !cmp.Equal(past, got) {
			t.Fatalf("counted one by one, %q:\n%s", ns, cmp.Diff(got, past))
		}
		out += fmt.Sprintf("%q %+v\n", ns, got)
	}
	return out
}
