package placement

import (
	"fmt"
	"slices"
)

// Bounds of Rules.
const (
	MaxPins      = 64 // one bit each
	MaxSelectors = 32 // of the rules, or of one pin
	MaxValues    = 64 // of one selector
	MaxRanges    = 256
	MaxPrefer    = 16
	MaxReaders   = 8
	// MaxClasses bounds the sets of pins that are on some shard together. Time
	// grows with the number of classes, so it is checked and not found out.
	MaxClasses = 512
	MaxText    = 128 // bytes of a key or value
)

// Rules are the constraints of a namespace. All but Prefer are hard: a shard for
// which they leave no node has none. The zero Rules ask for nothing.
type Rules struct {
	// Require is what a node must satisfy to have any shard.
	Require []Selector `cbor:"1,keyasint,omitempty"`
	// Pins are further demands for some of the shards.
	Pins []Pin `cbor:"2,keyasint,omitempty"`
	// MaxPerNode bounds the shards of a node; 0 is no bound.
	MaxPerNode uint32 `cbor:"3,keyasint,omitempty"`
	// CapacityLabel names a label whose value, a whole number, bounds the shards
	// of the node that has it. A value that is no number counts as absent.
	CapacityLabel string `cbor:"4,keyasint,omitempty"`
	// Spread names a key over whose values (failure domains) the counts of shards
	// differ by at most MaxSkew, of 1 or more. A node without a value gets none.
	Spread  string `cbor:"5,keyasint,omitempty"`
	MaxSkew uint32 `cbor:"6,keyasint,omitempty"`
	// Separate names a key of which no two replicas of a shard, its owner and its
	// readers, have the same value. They are on different nodes in any case.
	Separate string `cbor:"7,keyasint,omitempty"`
	// Prefer lists, for the strategy locality, where shards should be, the best
	// first; what has no place there goes to the rest.
	Prefer []Preference `cbor:"8,keyasint,omitempty"`
}

// Pin says that shards may only be on nodes that satisfy all its selectors, and
// if Nodes are named are one of them.
type Pin struct {
	Shards  []Range    `cbor:"1,keyasint"`
	Nodes   []string   `cbor:"2,keyasint,omitempty"`
	Require []Selector `cbor:"3,keyasint,omitempty"`
}

// Range is Count consecutive shards from First on.
type Range struct {
	First uint32 `cbor:"1,keyasint,omitempty"`
	Count uint32 `cbor:"2,keyasint"`
}

// Preference is a value of a key: region eu-1, or zone a.
type Preference struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// Empty reports whether the rules ask for nothing; nil ones do not.
func (r *Rules) Empty() bool {
	return r == nil || len(r.Require) == 0 && len(r.Pins) == 0 && r.MaxPerNode == 0 && r.CapacityLabel == "" &&
		r.Spread == "" && r.MaxSkew == 0 && r.Separate == "" && len(r.Prefer) == 0
}

// Equal reports whether both ask for the same in the same words.
func (r *Rules) Equal(o *Rules) bool {
	if r.Empty() || o.Empty() {
		return r.Empty() && o.Empty()
	}
	return r.MaxPerNode == o.MaxPerNode && r.CapacityLabel == o.CapacityLabel && r.Spread == o.Spread &&
		r.MaxSkew == o.MaxSkew && r.Separate == o.Separate && slices.Equal(r.Prefer, o.Prefer) &&
		equalSelectors(r.Require, o.Require) && slices.EqualFunc(r.Pins, o.Pins, func(a, b Pin) bool {
		return slices.Equal(a.Shards, b.Shards) && slices.Equal(a.Nodes, b.Nodes) && equalSelectors(a.Require, b.Require)
	})
}

func equalSelectors(a, b []Selector) bool {
	return slices.EqualFunc(a, b, func(a, b Selector) bool {
		return a.Key == b.Key && a.Not == b.Not && slices.Equal(a.Values, b.Values)
	})
}

// Fault is a field of Rules that is out of bounds.
type Fault struct{ Field, Allowed, Is string }

func (f *Fault) Error() string {
	return fmt.Sprintf("%s: rules.%s %s, allowed is %s", ErrInvalid, f.Field, f.Is, f.Allowed)
}

// Unwrap makes a fault one of the refusals of an input.
func (f *Fault) Unwrap() error { return ErrInvalid }

// Check returns the first *Fault of the rules for a namespace of shardCount
// shards, or nil. That no node satisfies them is no fault: it may come.
func (r *Rules) Check(shardCount uint32) error {
	if err := checkSelectors("require", r.Require); err != nil {
		return err
	}
	if len(r.Pins) > MaxPins {
		return &Fault{"pins", fmt.Sprintf("at most %d", MaxPins), fmt.Sprintf("has %d entries", len(r.Pins))}
	}
	for i := range r.Pins {
		if err := r.Pins[i].check(fmt.Sprintf("pins[%d]", i), shardCount); err != nil {
			return err
		}
	}
	for _, f := range []struct{ name, key string }{
		{"capacityLabel", r.CapacityLabel}, {"spread", r.Spread}, {"separate", r.Separate},
	} {
		if len(f.key) > MaxText {
			return &Fault{f.name, fmt.Sprintf("at most %d bytes", MaxText), fmt.Sprintf("has %d bytes", len(f.key))}
		}
	}
	if (r.Spread == "") != (r.MaxSkew == 0) {
		return &Fault{"maxSkew", "1 or more where spread names a key, 0 where it does not", fmt.Sprintf("is %d with spread %q", r.MaxSkew, r.Spread)}
	}
	if r.MaxSkew > MaxShards || r.MaxPerNode > MaxShards {
		return &Fault{"maxSkew and maxPerNode", fmt.Sprintf("at most %d", MaxShards), "is more"}
	}
	if len(r.Prefer) > MaxPrefer {
		return &Fault{"prefer", fmt.Sprintf("at most %d", MaxPrefer), fmt.Sprintf("has %d entries", len(r.Prefer))}
	}
	for i, p := range r.Prefer {
		if p.Key == "" || p.Value == "" || len(p.Key) > MaxText || len(p.Value) > MaxText {
			return &Fault{fmt.Sprintf("prefer[%d]", i), fmt.Sprintf("a key and a value of 1 to %d bytes", MaxText), fmt.Sprintf("is %.40q=%.40q", p.Key, p.Value)}
		}
	}
	if n := len(classMasks(r, int(shardCount))); n > MaxClasses {
		return &Fault{"pins", fmt.Sprintf("at most %d different sets of pins that overlap", MaxClasses), "overlap more than that"}
	}
	return nil
}

func (p *Pin) check(field string, shardCount uint32) error {
	if len(p.Shards) == 0 || len(p.Shards) > MaxRanges {
		return &Fault{field + ".shards", fmt.Sprintf("1 to %d ranges", MaxRanges), fmt.Sprintf("has %d", len(p.Shards))}
	}
	for _, r := range p.Shards {
		if r.Count == 0 || uint64(r.First)+uint64(r.Count) > uint64(shardCount) {
			return &Fault{field + ".shards", fmt.Sprintf("ids 0 to %d", int64(shardCount)-1), fmt.Sprintf("has %d shards from %d on", r.Count, r.First)}
		}
	}
	if len(p.Nodes) == 0 && len(p.Require) == 0 {
		return &Fault{field, "nodes or selectors", "names neither"}
	}
	if len(p.Nodes) > MaxValues {
		return &Fault{field + ".nodes", fmt.Sprintf("at most %d", MaxValues), fmt.Sprintf("has %d", len(p.Nodes))}
	}
	for _, id := range p.Nodes {
		if id == "" || len(id) > MaxText {
			return &Fault{field + ".nodes", fmt.Sprintf("ids of 1 to %d bytes", MaxText), fmt.Sprintf("has %.40q", id)}
		}
	}
	return checkSelectors(field+".require", p.Require)
}

func checkSelectors(field string, selectors []Selector) error {
	if len(selectors) > MaxSelectors {
		return &Fault{field, fmt.Sprintf("at most %d", MaxSelectors), fmt.Sprintf("has %d entries", len(selectors))}
	}
	for i, s := range selectors {
		at := fmt.Sprintf("%s[%d]", field, i)
		if s.Key == "" || len(s.Key) > MaxText {
			return &Fault{at + ".key", fmt.Sprintf("1 to %d bytes", MaxText), fmt.Sprintf("has %d bytes", len(s.Key))}
		}
		if len(s.Values) > MaxValues {
			return &Fault{at + ".values", fmt.Sprintf("at most %d", MaxValues), fmt.Sprintf("has %d", len(s.Values))}
		}
		for _, v := range s.Values {
			if v == "" || len(v) > MaxText {
				return &Fault{at + ".values", fmt.Sprintf("1 to %d bytes each", MaxText), fmt.Sprintf("has %.40q", v)}
			}
		}
	}
	return nil
}
