package events

import (
	"fmt"
	"slices"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// PackShards packs shard ids, in any order and with duplicates, into an
// ascending set.
func PackShards(ids []uint32) *eventsv1.ShardSet {
	if !slices.IsSorted(ids) {
		ids = slices.Clone(ids)
		slices.Sort(ids)
	}
	set := &eventsv1.ShardSet{}
	end := uint32(0) // first id after the run before
	for i := 0; i < len(ids); {
		start, stop := ids[i], ids[i]+1
		for i++; i < len(ids) && ids[i] <= stop; i++ {
			if ids[i] == stop {
				stop++
			}
		}
		set.Runs = append(set.Runs, start-end, stop-start)
		end = stop
	}
	return set
}

// CountShards counts the ids of a set.
func CountShards(set *eventsv1.ShardSet) int {
	n := 0
	for i := 1; i < len(set.GetRuns()); i += 2 {
		n += int(set.Runs[i])
	}
	return n
}

// EachShard calls fn for every id of a set, ascending.
func EachShard(set *eventsv1.ShardSet, fn func(id uint32)) {
	next := uint32(0)
	runs := set.GetRuns()
	for i := 0; i+1 < len(runs); i += 2 {
		next += runs[i]
		for range runs[i+1] {
			fn(next)
			next++
		}
	}
}

// UnpackShards returns the ids of a set, ascending.
func UnpackShards(set *eventsv1.ShardSet) []uint32 {
	ids := make([]uint32, 0, CountShards(set))
	EachShard(set, func(id uint32) { ids = append(ids, id) })
	return ids
}

// FormatShards renders a set for people: "0-63" or "3-5,9".
func FormatShards(set *eventsv1.ShardSet) string {
	var b []byte
	next := uint32(0)
	runs := set.GetRuns()
	for i := 0; i+1 < len(runs); i += 2 {
		start := next + runs[i]
		next = start + runs[i+1]
		if i > 0 {
			b = append(b, ',')
		}
		if runs[i+1] == 1 {
			b = fmt.Appendf(b, "%d", start)
		} else {
			b = fmt.Appendf(b, "%d-%d", start, next-1)
		}
	}
	return string(b)
}
