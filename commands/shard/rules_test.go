package shard_test

import (
	"testing"

	place "github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func ruled() *place.Rules {
	return &place.Rules{
		Require:    []place.Selector{{Key: "disk", Values: []string{"ssd"}}},
		Pins:       []place.Pin{{Shards: []place.Range{{First: 1, Count: 2}}, Nodes: []string{"n1"}}},
		MaxPerNode: 4, CapacityLabel: "room", Spread: "zone", MaxSkew: 1, Separate: "rack",
		Prefer: []place.Preference{{Key: "region", Value: "eu"}},
	}
}

func ruledSpec(shards uint32) *eventsv1.NamespaceSpec {
	s := spec(shards)
	s.Readers = 2
	s.Rules = &eventsv1.PlacementRules{
		Require:    []*eventsv1.NodeSelector{{Key: "disk", Values: []string{"ssd"}}},
		Pins:       []*eventsv1.ShardPin{{Shards: pack(1, 2), Nodes: []string{"n1"}}},
		MaxPerNode: 4, CapacityLabel: "room", Spread: "zone", MaxSkew: 1, Separate: "rack",
		Prefer: []*eventsv1.PlacementPreference{{Key: "region", Value: "eu"}},
	}
	return s
}

// TestRules: rules are part of the spec, come back from the log as they were, are
// replaced as a whole, and taken away by empty ones.
func TestRules(t *testing.T) {
	s, m := mesh(t)
	two := uint32(2)
	s.When(shard.Update{Namespace: ns, Rules: ruled(), Readers: &two}).Then(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: ruledSpec(8)})
	if n, _ := m.Shard.Namespace(ns); !n.Spec.Rules.Equal(ruled()) || n.Spec.Readers != 2 {
		t.Fatalf("rules are %+v", n.Spec.Rules)
	}
	s.When(shard.Update{Namespace: ns, Rules: ruled()}).ThenNothing()
	without := ruledSpec(8)
	without.Rules = nil
	s.When(shard.Update{Namespace: ns, Rules: &place.Rules{}}).Then(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: without})
	s.When(shard.Update{Namespace: ns, Rules: &place.Rules{}}).ThenNothing()
	bound, ring := uint32(1250), "ring"
	s.When(shard.Update{Namespace: ns, Strategy: &ring, LoadBound: &bound}).ThenDone()
	if n, _ := m.Shard.Namespace(ns); n.Spec.LoadBound != 1250 {
		t.Errorf("load bound is %d", n.Spec.LoadBound)
	}
	// The bound goes with its strategy.
	optimal := "optimal"
	s.When(shard.Update{Namespace: ns, Strategy: &optimal}).ThenInvalid("loadBound")
}

func TestRulesRefused(t *testing.T) {
	s, _ := mesh(t)
	for field, sp := range map[string]shard.Spec{
		"rules.pins[0].shards": {ShardCount: 2, Rules: ruled()},
		"rules.maxSkew":        {ShardCount: 9, Rules: &place.Rules{Spread: "zone"}},
		"readers":              {ShardCount: 9, Readers: 9},
		"loadBound":            {ShardCount: 9, Strategy: "ring", LoadBound: 999},
	} {
		s.When(shard.Create{Namespace: "other", Spec: sp}).ThenInvalid(field)
	}
}
