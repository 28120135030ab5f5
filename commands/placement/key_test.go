package placement

import (
	"testing"

	"pgregory.net/rapid"
)

// TestJumpIsThePublishedOne holds values that other implementations agree on.
func TestJumpIsThePublishedOne(t *testing.T) {
	for _, c := range []struct {
		key     uint64
		buckets uint32
		want    uint32
	}{{1, 1, 0}, {42, 57, 43}, {0xDEAD10CC, 1, 0}, {0xDEAD10CC, 666, 361}, {256, 1024, 520}} {
		if got := jump(c.key, c.buckets); got != c.want {
			t.Errorf("jump(%d, %d) = %d, want %d", c.key, c.buckets, got, c.want)
		}
	}
}

// TestGrowthMovesKeysToNewShardsOnly is why ShardForKey jumps.
func TestGrowthMovesKeysToNewShardsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		n := rapid.Uint32Range(1, 1<<20).Draw(t, "shards")
		more := rapid.Uint32Range(n, MaxShards).Draw(t, "grown")
		before, after := ShardForKey(key, n), ShardForKey(key, more)
		if before >= n || after != before && (after < n || after >= more) {
			t.Fatalf("%q is in shard %d of %d, then in %d of %d", key, before, n, after, more)
		}
		if ShardForKeyBytes([]byte(key), n) != before {
			t.Fatalf("%q: bytes and string disagree", key)
		}
	})
}
