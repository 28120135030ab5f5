package shard

import (
	"errors"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

const maxReaders = placement.MaxReaders

// checkRules refuses rules with a fault. That no node satisfies them is none:
// what they leave without a node is shown.
func (sp Spec) checkRules() error {
	if sp.LoadBound != 0 && (sp.LoadBound < placement.MinLoadBound || sp.LoadBound > placement.MaxLoadBound) {
		return commands.BadField("loadBound", "0, or 1 to 100", "is %v", float64(sp.LoadBound)/1000)
	}
	if sp.Rules == nil {
		return nil
	}
	err := sp.Rules.Check(sp.ShardCount)
	var fault *placement.Fault
	if errors.As(err, &fault) {
		return commands.BadField("rules."+fault.Field, fault.Allowed, "%s", fault.Is)
	}
	return err
}

func (sp Spec) equal(o Spec) bool {
	same := sp.Rules.Equal(o.Rules)
	sp.Rules, o.Rules = nil, nil
	return same && sp == o
}

// tidy returns the spec with rules that ask for nothing taken away.
func (sp Spec) tidy() Spec {
	if sp.Rules.Empty() {
		sp.Rules = nil
	}
	return sp
}

func rulesProto(r *placement.Rules) *eventsv1.PlacementRules {
	if r == nil {
		return nil
	}
	p := &eventsv1.PlacementRules{
		Require: selectorsProto(r.Require), MaxPerNode: r.MaxPerNode, CapacityLabel: r.CapacityLabel,
		Spread: r.Spread, MaxSkew: r.MaxSkew, Separate: r.Separate,
	}
	for _, pin := range r.Pins {
		var ids []uint32
		for _, part := range pin.Shards {
			for id := part.First; id < part.First+part.Count; id++ {
				ids = append(ids, id)
			}
		}
		p.Pins = append(p.Pins, &eventsv1.ShardPin{Shards: events.PackShards(ids), Nodes: pin.Nodes, Require: selectorsProto(pin.Require)})
	}
	for _, want := range r.Prefer {
		p.Prefer = append(p.Prefer, &eventsv1.PlacementPreference{Key: want.Key, Value: want.Value})
	}
	return p
}

func selectorsProto(selectors []placement.Selector) []*eventsv1.NodeSelector {
	var out []*eventsv1.NodeSelector
	for _, s := range selectors {
		out = append(out, &eventsv1.NodeSelector{Key: s.Key, Not: s.Not, Values: s.Values})
	}
	return out
}

// rulesOf reads what rulesProto writes; nil where nothing is asked for.
func rulesOf(p *eventsv1.PlacementRules) *placement.Rules {
	r := &placement.Rules{
		Require: selectorsOf(p.GetRequire()), MaxPerNode: p.GetMaxPerNode(), CapacityLabel: p.GetCapacityLabel(),
		Spread: p.GetSpread(), MaxSkew: p.GetMaxSkew(), Separate: p.GetSeparate(),
	}
	for _, pin := range p.GetPins() {
		r.Pins = append(r.Pins, placement.Pin{Shards: rangesOf(pin.GetShards()), Nodes: pin.GetNodes(), Require: selectorsOf(pin.GetRequire())})
	}
	for _, want := range p.GetPrefer() {
		r.Prefer = append(r.Prefer, placement.Preference{Key: want.GetKey(), Value: want.GetValue()})
	}
	if r.Empty() {
		return nil
	}
	return r
}

func selectorsOf(ps []*eventsv1.NodeSelector) []placement.Selector {
	var out []placement.Selector
	for _, p := range ps {
		out = append(out, placement.Selector{Key: p.GetKey(), Not: p.GetNot(), Values: p.GetValues()})
	}
	return out
}

func rangesOf(set *eventsv1.ShardSet) []placement.Range {
	var out []placement.Range
	next := uint32(0)
	runs := set.GetRuns()
	for i := 0; i+1 < len(runs); i += 2 {
		next += runs[i]
		out = append(out, placement.Range{First: next, Count: runs[i+1]})
		next += runs[i+1]
	}
	return out
}
