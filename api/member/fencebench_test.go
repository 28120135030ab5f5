package member_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/omnirelay/omnirelay/api/member"
)

func nothing(context.Context) error { return nil }

// BenchmarkFenceDo is the cost of a guard when nothing changes hands.
func BenchmarkFenceDo(b *testing.B) {
	g := guard(b, nil)
	ctx := context.Background()
	for b.Loop() {
		if err := g.Do(ctx, "jobs/report", 7, nothing); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFenceFile is a failover as a resource sees it: that many scopes have
// new leaders, all at once, and each fence is on disk before its first operation.
func BenchmarkFenceFile(b *testing.B) {
	for _, scopes := range []int{1, 1000, member.MaxFencedScopes} {
		b.Run(fmt.Sprintf("scopes=%d", scopes), func(b *testing.B) {
			file, err := member.OpenFenceFile(filepath.Join(b.TempDir(), "fences"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close() //nolint:errcheck // a temporary directory
			g := guard(b, file)
			for fence := int64(1); b.Loop(); fence++ {
				var wg sync.WaitGroup
				for i := range scopes {
					wg.Go(func() {
						if err := g.Do(context.Background(), fmt.Sprintf("shard/demo/%d", i), fence, nothing); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
			}
		})
	}
}
