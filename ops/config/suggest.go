package config

// maxSlips is how many slips a suggestion may be away.
const maxSlips = 2

// nearest returns the name that is fewest slips away from what was written, at
// most maxSlips and fewer than half of its letters; "" if there is none.
func nearest(written string, names []string) string {
	best, found := min(maxSlips, (len(written)-1)/2)+1, ""
	for _, name := range names {
		if d := distance(written, name); d < best {
			best, found = d, name
		}
	}
	return found
}

// distance counts insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}
