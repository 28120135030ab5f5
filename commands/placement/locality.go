package placement

// locality places in the best preferred place that has room, divides that evenly
// by count over its zones as far as their room allows, and balances within each
// zone. Without preferences and zones it is optimal.
func locality(in *Input) Result {
	if in.rules == nil && oneZone(in.nodes) {
		return optimal(in)
	}
	return constrained(in, true)
}

func oneZone(nodes []Node) bool {
	for i := range nodes {
		if nodes[i].Zone != nodes[0].Zone {
			return false
		}
	}
	return true
}
