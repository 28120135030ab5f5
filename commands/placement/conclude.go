package placement

import (
	"fmt"
	"math/bits"
	"strings"
)

// Unplaceable is shards that the rules leave without a node, and why. Those that
// have an owner keep it.
type Unplaceable struct {
	Shards  []Range
	Count   int
	Because string
}

// conclude completes a result under rules; moves is the fewest for the plan, out
// the shards without a place.
func (pl *plan) conclude(owner []int32, moves int, out []int) Result {
	r := Result{Nodes: pl.in.nodes, Owner: owner, Changes: changes(pl.in.current, owner)}
	top, at := pl.top()
	r.Certificate = Certificate{LowerBoundMax: top.perOne(), LowerBoundMoves: moves}
	r.Certificate.measure(pl.in, owner)
	r.Unplaceable = pl.unplaceable(out)
	plain := bestBalance(pl.in.nodes, pl.free()).top
	if plain.less(top) && at >= 0 {
		r.Certificate.Binding = pl.binding(&pl.levels[at])
	}
	if len(r.Unplaceable) > 0 {
		r.Certificate.Binding = r.Unplaceable[0].Because
	}
	for _, u := range r.Unplaceable {
		r.Certificate.Unplaceable += u.Count
	}
	return r
}

// binding says which rules make a level higher than the fleet would allow.
func (pl *plan) binding(l *level) string {
	var pins uint64
	classes := 0
	for c, in := range l.takes {
		if in {
			pins |= pl.pins[c]
			classes++
		}
	}
	var why []string
	if pins != 0 {
		why = append(why, pinText(pins))
	}
	r := &pl.c.rules
	if len(r.Require) > 0 {
		why = append(why, "require "+selectorText(r.Require))
	}
	if r.Spread != "" {
		why = append(why, fmt.Sprintf("spread over %s with a skew of at most %d", r.Spread, r.MaxSkew))
	}
	if pl.capped {
		why = append(why, "the capacity of nodes")
	}
	if pl.tiers > 1 {
		why = append(why, "preferred places")
	} else if len(why) == 0 {
		why = append(why, "spread over zones")
	}
	return fmt.Sprintf("%d shards: %s", l.total, strings.Join(why, ", "))
}

func pinText(pins uint64) string {
	var ids []string
	for p := pins; p != 0; p &= p - 1 {
		ids = append(ids, fmt.Sprint(bits.TrailingZeros64(p)))
	}
	if len(ids) == 1 {
		return "pin " + ids[0]
	}
	return "pins " + strings.Join(ids, ",")
}

// unplaceable lists shards without a place by class.
func (pl *plan) unplaceable(shards []int) []Unplaceable {
	by := make([]Unplaceable, len(pl.count))
	for _, s := range shards {
		u := &by[pl.class[s]]
		u.Count++
		if n := len(u.Shards); n > 0 && u.Shards[n-1].First+u.Shards[n-1].Count == uint32(s) {
			u.Shards[n-1].Count++
		} else {
			u.Shards = append(u.Shards, Range{uint32(s), 1})
		}
	}
	var out []Unplaceable
	for c := range by {
		if by[c].Count > 0 {
			by[c].Because = pl.because(c)
			out = append(out, by[c])
		}
	}
	return out
}

func (pl *plan) because(class int) string {
	nodes := 0
	for g := range pl.groups {
		if pl.fits(class, g) {
			nodes += len(pl.groups[g].nodes)
		}
	}
	demand := pl.demand(class)
	s := pl.short[0]
	switch {
	case nodes == 0:
		return fmt.Sprintf("no node satisfies %s", demand)
	case s.spread:
		return fmt.Sprintf("spread over %s with a skew of at most %d: one of the %d has room for %d only",
			pl.c.rules.Spread, pl.c.rules.MaxSkew, len(pl.c.domains), s.least)
	case demand == "":
		return fmt.Sprintf("the capacity of %d nodes is %d shards", s.nodes, s.room)
	}
	return fmt.Sprintf("the capacity of the %d nodes that satisfy %s is %d shards", s.nodes, demand, s.room)
}

// demand is what the rules ask of a node for a class.
func (pl *plan) demand(class int) string {
	var parts []string
	r := &pl.c.rules
	if len(r.Require) > 0 {
		parts = append(parts, selectorText(r.Require))
	}
	if pl.pins[class] != 0 {
		parts = append(parts, pinText(pl.pins[class]))
	}
	if r.Spread != "" {
		parts = append(parts, r.Spread)
	}
	return strings.Join(parts, " and ")
}
