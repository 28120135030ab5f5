package server

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
)

const selectorForms = "key=value, key=a|b, key!=value, key or !key"

// rulesOf reads placement rules as users write them; nil is nil. What they may
// hold is the deciders' to judge.
func rulesOf(p *controlv1.PlacementRules) (*placement.Rules, error) {
	if p == nil {
		return nil, nil
	}
	r := &placement.Rules{CapacityLabel: p.CapacityLabel, Spread: p.Spread, Separate: p.Separate}
	var err error
	if r.MaxPerNode, err = amount("rules.maxPerNode", p.MaxPerNode); err != nil {
		return nil, err
	}
	if r.MaxSkew, err = amount("rules.maxSkew", p.MaxSkew); err != nil {
		return nil, err
	}
	if r.Require, err = selectorsOf("rules.require", p.Require); err != nil {
		return nil, err
	}
	for i, pin := range p.Pins {
		field := fmt.Sprintf("rules.pins[%d]", i)
		one := placement.Pin{Nodes: pin.GetNodes()}
		if one.Shards, err = rangesOf(field+".shards", pin.GetShards()); err != nil {
			return nil, err
		}
		if one.Require, err = selectorsOf(field+".require", pin.GetRequire()); err != nil {
			return nil, err
		}
		r.Pins = append(r.Pins, one)
	}
	for i, want := range p.Prefer {
		key, value, ok := strings.Cut(want, "=")
		if !ok {
			return nil, badField(fmt.Sprintf("rules.prefer[%d]", i), "key=value, for example region=eu-1", "is %.80q", want)
		}
		r.Prefer = append(r.Prefer, placement.Preference{Key: key, Value: value})
	}
	return r, nil
}

// amount reads a number that is not negative.
func amount(field string, n int32) (uint32, error) {
	if n < 0 {
		return 0, badField(field, "0 or more", "is %d", n)
	}
	return uint32(n), nil
}

func selectorsOf(field string, texts []string) ([]placement.Selector, error) {
	var out []placement.Selector
	for i, text := range texts {
		s, err := placement.ParseSelector(text)
		if err != nil {
			return nil, badField(fmt.Sprintf("%s[%d]", field, i), selectorForms, "is %.80q", text)
		}
		out = append(out, s)
	}
	return out, nil
}

// rangesOf reads "0-9,12".
func rangesOf(field, text string) ([]placement.Range, error) {
	var out []placement.Range
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		first, err := strconv.ParseUint(from, 10, 32)
		last := first
		if err == nil && ranged {
			last, err = strconv.ParseUint(to, 10, 32)
		}
		if err != nil || last < first || last >= events.MaxShards {
			return nil, badField(field, fmt.Sprintf("ids and ranges below %d, for example 0-9,12", events.MaxShards), "is %.80q", text)
		}
		out = append(out, placement.Range{First: uint32(first), Count: uint32(last - first + 1)})
	}
	return out, nil
}

func formatRanges(ranges []placement.Range) string {
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = strconv.FormatUint(uint64(r.First), 10)
		if r.Count > 1 {
			parts[i] += "-" + strconv.FormatUint(uint64(r.First)+uint64(r.Count)-1, 10)
		}
	}
	return strings.Join(parts, ",")
}

// loadBoundOf reads a load bound, in multiples of the mean, as thousandths.
func loadBoundOf(b float64) (uint32, error) {
	t := math.RoundToEven(b * 1000)
	if !(t == 0 || t >= placement.MinLoadBound && t <= placement.MaxLoadBound) {
		return 0, badField("loadBound", "0, or 1 to 100", "is %v", b)
	}
	return uint32(t), nil
}

// ruleFault is a fault of rules that were not a command's.
func ruleFault(err error) error {
	var f *placement.Fault
	if errors.As(err, &f) {
		return badField("rules."+f.Field, f.Allowed, "%s", f.Is)
	}
	return err
}
