package placement

import "math/bits"

// Loads per weight are sought on a grid that is finer than any two of them are
// apart: s/w and s'/w' with weights below 2^17 differ by more than 2^-34. So
// between two neighbours of the grid there is at most one load that any node can
// have, and stepping by one is stepping to the next.
const gridBits = 34

// atGrid is the most shards that a node of this weight may have within t.
func atGrid(t uint64, w Weight) int {
	hi, lo := bits.Mul64(t, uint64(w))
	return int(hi<<(64-gridBits) | lo>>gridBits)
}

// toGrid is the lowest point of the grid that r is within.
func toGrid(r ratio) uint64 {
	hi, lo := bits.Mul64(uint64(r.shards), 1<<gridBits)
	q, rest := bits.Div64(hi, lo, uint64(r.weight))
	if rest > 0 {
		q++
	}
	return q
}

// lowest is the least t in (from, to] that is good, where to is known to be and
// goodness only grows.
func lowest(from, to uint64, good func(uint64) bool) uint64 {
	for from+1 < to {
		if mid := from + (to-from)/2; good(mid) {
			to = mid
		} else {
			from = mid
		}
	}
	return to
}
