package placement

// maxLevels bounds the levels of one place: beyond it the last has no lower
// bound. Where classes and groups are many, each level costs more.
func maxLevels(classes, groups int) int {
	if classes*groups > 20_000 {
		return 4
	}
	return 64
}

// addLevels divides a part, which gets these many shards of each class, into
// levels. The lowest load that its shards can have is found first; the shards
// that cannot do with less, and the only groups where they may be, are the first
// level. The others do not need those groups, so the same is asked of the rest.
// It is what makes the loads as even as the rules allow, not only the highest
// one as low (Frank and Murota call such a vector decreasingly minimal).
func (pl *plan) addLevels(groups []int32, given []int) {
	count := append([]int(nil), given...)
	left := 0
	for _, c := range count {
		left += c
	}
	limit := maxLevels(len(count), len(groups))
	for round := 0; left > 0 && len(groups) > 0; round++ {
		t := pl.lowestLevel(groups, count, left)
		reached, inside := pl.cut(groups, count, t-1)
		last := round == limit-1
		if last {
			for c := range reached {
				reached[c] = true
			}
		}
		var here, rest []int32
		for i, g := range groups {
			if inside[i] || last {
				here = append(here, g)
			} else {
				rest = append(rest, g)
			}
		}
		total := 0
		for c := range count {
			if reached[c] {
				total += count[c]
				count[c] = 0
			}
		}
		pl.addLevel(here, reached, total, t, !last)
		groups, left = rest, left-total
	}
	if len(groups) > 0 {
		pl.addLevel(groups, make([]bool, len(given)), 0, 0, true)
	}
}

// network of classes and groups within a load per weight.
func (pl *plan) levelNet(groups []int32, count []int, t uint64) (n *network, sink int) {
	sink = 1 + len(count) + len(groups)
	n = newNetwork(sink+1, len(count)+len(groups)+len(count)*len(groups))
	for c, k := range count {
		if k == 0 {
			continue
		}
		n.add(0, 1+c, k, 0)
		for i, g := range groups {
			if pl.fits(c, int(g)) {
				n.add(1+c, 1+len(count)+i, k, 0)
			}
		}
	}
	for i, g := range groups {
		n.add(1+len(count)+i, sink, pl.within(g, t), 0)
	}
	return n, sink
}

// lowestLevel is the least point of the grid within which all can be placed.
func (pl *plan) lowestLevel(groups []int32, count []int, left int) uint64 {
	good := func(t uint64) bool {
		n, sink := pl.levelNet(groups, count, t)
		return n.maximum(0, sink) == left
	}
	from := pl.floor(groups, left)
	if good(from) {
		return from
	}
	to := from
	for !good(to) {
		from, to = to, to*2
	}
	return lowest(from, to, good)
}

// cut returns the classes that cannot all be placed within t, and the groups
// that keep them from it.
func (pl *plan) cut(groups []int32, count []int, t uint64) (reached, inside []bool) {
	n, sink := pl.levelNet(groups, count, t)
	n.maximum(0, sink)
	reached, inside = make([]bool, len(count)), make([]bool, len(groups))
	for c := range count {
		reached[c] = count[c] > 0 && n.level[1+c] >= 0
	}
	for i := range groups {
		inside[i] = n.level[1+len(count)+i] >= 0
	}
	return reached, inside
}

func (pl *plan) addLevel(groups []int32, takes []bool, total int, t uint64, even bool) {
	l := level{takes: takes, total: total, top: ratio{0, 1}}
	weight := int64(0)
	for _, g := range groups {
		pl.levelOf[g] = int32(len(pl.levels))
		for _, n := range pl.groups[g].nodes {
			weight += int64(pl.in.nodes[n].Weight)
		}
	}
	for _, g := range groups {
		for _, n := range pl.groups[g].nodes {
			w := pl.in.nodes[n].Weight
			full := atGrid(t, w)
			pl.hi[n] = min(pl.room[n], full)
			if even {
				pl.lo[n] = min(pl.room[n], int(int64(total)*int64(w)/weight))
			}
			if t > 0 && full > atGrid(t-1, w) && full <= pl.room[n] {
				l.top = ratio{int64(full), int64(w)}
			}
			pl.capped = pl.capped || pl.hi[n] < full
		}
	}
	pl.levels = append(pl.levels, l)
}
