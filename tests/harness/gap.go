package harness

import (
	"cmp"
	"slices"
	"time"
)

// LongestGap is the longest time that a shard was without an owner, as the members
// saw it: from the last moment of an ownership to the first of the next one (S2).
func (c *Cluster) LongestGap() time.Duration {
	c.trace.mu.Lock()
	defer c.trace.mu.Unlock()
	sorted := slices.SortedFunc(slices.Values(c.trace.spans), func(a, b *span) int {
		return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.first, b.first))
	})
	longest := int64(0)
	for i := 1; i < len(sorted); i++ {
		if sorted[i].shard == sorted[i-1].shard {
			longest = max(longest, sorted[i].first-sorted[i-1].last)
		}
	}
	return time.Duration(longest)
}
