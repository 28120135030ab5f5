package kv

import (
	"slices"
	"sort"
	"strings"
)

// overlay is what a batch knows by physical key. Keys are also kept in order for
// scans; new ones wait unsorted until a scan wants them, so that a batch without
// scans never sorts.
type overlay[E any] struct {
	entries map[string]E
	sorted  []string
	fresh   []string
}

func newOverlay[E any]() overlay[E] {
	return overlay[E]{entries: make(map[string]E)}
}

func (o *overlay[E]) reset() {
	clear(o.entries)
	clear(o.sorted)
	clear(o.fresh)
	o.sorted, o.fresh = o.sorted[:0], o.fresh[:0]
}

// add puts an entry under a key that has none yet.
func (o *overlay[E]) add(key string, e E) {
	o.fresh = append(o.fresh, key)
	o.entries[key] = e
}

// between returns the keys of [lower, upper) in order, in memory of their own: a
// scan's callback may write to the batch without changing what the scan sees.
// The bounds are compared as bytes, which orders keys without suffix as the
// comparer does.
func (o *overlay[E]) between(lower, upper []byte) []string {
	o.sort()
	i := sort.SearchStrings(o.sorted, string(lower))
	j := i + sort.SearchStrings(o.sorted[i:], string(upper))
	return slices.Clone(o.sorted[i:j])
}

// keys are all keys in order, valid until the next add.
func (o *overlay[E]) keys() []string {
	o.sort()
	return o.sorted
}

// sort merges fresh keys into the sorted ones. A few are inserted one by one,
// which moves memory but compares little; many are sorted with the rest.
func (o *overlay[E]) sort() {
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
