package kv

import (
	"slices"
	"sort"
	"strings"
)

// pending is what a key of the current or index space holds once the batch is
// committed; present is false for a key that is gone.
type pending struct {
	value   []byte
	pos     uint64
	present bool
}

// overlay is a batch's own writes by physical key, for reads before Commit.
// Keys are also kept in order for scans; new ones wait unsorted until a scan
// wants them, so that a batch without scans never sorts.
type overlay struct {
	rows   map[string]pending
	sorted []string
	fresh  []string
}

func newOverlay() overlay {
	return overlay{rows: make(map[string]pending)}
}

func (o *overlay) put(key string, row pending) {
	if _, ok := o.rows[key]; !ok {
		o.fresh = append(o.fresh, key)
	}
	o.rows[key] = row
}

// entry is one key of an overlay at the moment of a scan.
type entry struct {
	key string
	pending
}

// between copies the entries of [lower, upper) in order: a scan's callback may
// write to the batch without changing what the scan sees. The bounds are
// compared as bytes, which orders keys without suffix as the comparer does.
func (o *overlay) between(lower, upper []byte) []entry {
	o.sort()
	i := sort.SearchStrings(o.sorted, string(lower))
	j := i + sort.SearchStrings(o.sorted[i:], string(upper))
	out := make([]entry, 0, j-i)
	for _, key := range o.sorted[i:j] {
		out = append(out, entry{key, o.rows[key]})
	}
	return out
}

// keysOf are the keys of a space in order.
func (o *overlay) keysOf(sp space) []string {
	var out []string
	for key := range o.rows {
		if key[0] == byte(sp) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// sort merges fresh keys into the sorted ones. A few are inserted one by one,
// which moves memory but compares little; many are sorted with the rest.
func (o *overlay) sort() {
	const few = 8
	if len(o.fresh) <= few {
		for _, key := range o.fresh {
			i, _ := slices.BinarySearch(o.sorted, key)
			o.sorted = slices.Insert(o.sorted, i, key)
		}
	} else {
		o.sorted = append(o.sorted, o.fresh...)
		slices.SortFunc(o.sorted, strings.Compare)
	}
	o.fresh = o.fresh[:0]
}
