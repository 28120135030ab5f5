package placement

// Forbidden tells which shards are, of the given owners, where the rules forbid
// them: on a node that may not have them, on one that has more than it may, or in
// a failure domain that has too many. Shards that are fixed are judged too.
func (in *Input) Forbidden() func(shard int) bool {
	c := in.rules
	if c == nil {
		return func(int) bool { return false }
	}
	load, domain := make([]int, len(in.nodes)), make([]int, len(c.domains))
	for s, o := range in.current {
		if o == NoOwner {
			continue
		}
		load[o]++
		if !in.Fixed(s) && c.able[o] {
			domain[c.domain[o]]++
		}
	}
	least := len(in.current)
	for _, n := range domain {
		least = min(least, n)
	}
	return func(s int) bool {
		o := in.current[s]
		switch {
		case o == NoOwner:
			return false
		case !c.may(c.asks(s), o), load[o] > c.room[o]:
			return true
		}
		return c.rules.Spread != "" && domain[c.domain[o]] > least+int(c.rules.MaxSkew)
	}
}
