package placer_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/placer"
)

// fleet is a mesh of workers n0, n1, … in three zones, and the namespace demo.
type fleet struct {
	s     *commandtest.Scenario
	m     *model.Model
	nodes []placer.Node
}

func newFleet(t testing.TB, nodes int, spec shard.Spec) *fleet {
	m := model.New()
	f := &fleet{s: commandtest.New(t, m), m: m}
	for i := range nodes {
		id, zone := fmt.Sprintf("n%d", i), string(rune('a'+i%3))
		f.s.When(membership.OpenSession{
			Node:       membership.Descriptor{NodeID: id, Role: "worker", Weight: 1, Zone: zone, Labels: map[string]string{"disk": []string{"ssd", "hdd"}[i%2]}},
			SecretHash: events.HashOf([]byte(id)), Incarnation: uint64(i + 1),
		}).ThenDone()
		n, _ := m.Membership.Node(id)
		f.nodes = append(f.nodes, placer.Node{Node: placement.Node{ID: id, Weight: placement.One, Zone: zone, Labels: n.Labels}, Session: n.Session})
	}
	f.s.When(shard.Create{Namespace: "demo", Spec: spec}).ThenDone()
	return f
}

func (f *fleet) demo() *shard.Namespace {
	ns, _ := f.m.Shard.Namespace("demo")
	return ns
}

// settle carries out what the placer asks for, owners releasing what moves, until
// it asks for nothing.
func (f *fleet) settle(t testing.TB) (asked []commands.Command) {
	t.Helper()
	for range 20 {
		cmds := placer.Plan(f.demo(), f.nodes, f.m.Time)
		if len(cmds) == 0 {
			return asked
		}
		for _, c := range cmds {
			f.s.When(c).ThenDone()
			if r, ok := c.(shard.Rebalance); ok {
				f.release(r)
			}
		}
		asked = append(asked, cmds...)
	}
	t.Fatal("the placer finds no end")
	return nil
}

func (f *fleet) release(r shard.Rebalance) {
	for _, move := range r.Moves {
		c := shard.Release{Namespace: "demo", NodeID: move.From}
		for _, id := range move.Shards {
			sh := f.demo().Shard(id)
			c.Session = sh.Session
			c.Shards = append(c.Shards, shard.Released{Shard: id, Fence: sh.Fence})
		}
		f.s.When(c).ThenDone()
	}
}

// lose closes the session of a node.
func (f *fleet) lose(i int) {
	f.s.When(membership.Leave{NodeID: f.nodes[i].ID, Session: f.nodes[i].Session, SecretHash: events.HashOf([]byte(f.nodes[i].ID))}).ThenDone()
	f.nodes = append(f.nodes[:i:i], f.nodes[i+1:]...)
}

// TestForbiddenShardsMove: rules that come later move what they forbid, with that
// cause, and nothing when all is as they say.
func TestForbiddenShardsMove(t *testing.T) {
	f := newFleet(t, 4, shard.Spec{ShardCount: 8})
	f.settle(t)
	f.s.When(shard.Update{Namespace: "demo", Rules: &placement.Rules{Require: []placement.Selector{{Key: "disk", Values: []string{"ssd"}}}}}).ThenDone()
	asked := f.settle(t)
	for _, c := range asked {
		if r, ok := c.(shard.Rebalance); !ok || !r.Constraint {
			t.Errorf("asked for %+v", c)
		}
	}
	if n := f.demo(); len(asked) == 0 || n.Owned("n0") != 4 || n.Owned("n2") != 4 {
		t.Errorf("n0 owns %d, n2 %d", n.Owned("n0"), n.Owned("n2"))
	}
	// No node is left that may have them: they stay where they are.
	f.s.When(shard.Update{Namespace: "demo", Rules: &placement.Rules{Require: []placement.Selector{{Key: "gpu"}}}}).ThenDone()
	if asked := f.settle(t); len(asked) != 0 {
		t.Errorf("asked for %+v", asked)
	}
}

// TestReadersArePlaced: in other zones than the owner, level-triggered, and a dead
// owner's shards go to their readers.
func TestReadersArePlaced(t *testing.T) {
	f := newFleet(t, 6, shard.Spec{ShardCount: 60, Readers: 2})
	f.settle(t)
	checkReaders(t, f, 2)
	readers := map[uint32]shard.Readers{}
	f.demo().Each(func(id uint32, sh *shard.Shard) bool {
		if sh.Owner == "n0" {
			readers[id] = sh.Readers
		}
		return true
	})
	f.lose(0)
	f.settle(t)
	checkReaders(t, f, 2)
	stayed := 0
	for id, before := range readers {
		if before.Session(f.demo().Shard(id).Owner) != 0 {
			stayed++
		}
	}
	if stayed < len(readers)*3/4 {
		t.Errorf("%d of %d shards went to one of their readers", stayed, len(readers))
	}
	one := uint32(1)
	f.s.When(shard.Update{Namespace: "demo", Readers: &one}).ThenDone()
	f.settle(t)
	checkReaders(t, f, 1)
}

func checkReaders(t testing.TB, f *fleet, n int) {
	t.Helper()
	zone := map[string]string{}
	for _, node := range f.nodes {
		zone[node.ID] = node.Zone
	}
	f.demo().Each(func(id uint32, sh *shard.Shard) bool {
		zones := map[string]bool{zone[sh.Owner]: true}
		for _, r := range sh.Readers.Nodes() {
			zones[zone[r]] = true
		}
		if sh.Owner == "" || sh.Readers.Len() != n || len(zones) != n+1 {
			t.Fatalf("shard %d: owner %q, readers %q", id, sh.Owner, sh.Readers)
		}
		return true
	})
}

// TestPlacerFindsAnEnd: over generated rules and losses every plan is accepted
// by the decider and leads to one that asks for nothing.
func TestPlacerFindsAnEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		spec := shard.Spec{ShardCount: rapid.Uint32Range(1, 40).Draw(rt, "shards"), Readers: rapid.Uint32Range(0, 3).Draw(rt, "readers")}
		spec.Strategy = rapid.SampledFrom(placement.Names()).Draw(rt, "strategy")
		f := newFleet(t, rapid.IntRange(1, 7).Draw(rt, "nodes"), spec)
		f.settle(t)
		for range 3 {
			r := placement.Rules{MaxPerNode: rapid.SampledFrom([]uint32{0, 0, 3, 12}).Draw(rt, "most")}
			if rapid.Bool().Draw(rt, "spread") {
				r.Spread, r.MaxSkew = placement.KeyZone, rapid.Uint32Range(1, 3).Draw(rt, "skew")
			}
			if rapid.Bool().Draw(rt, "pin") {
				r.Pins = []placement.Pin{{Shards: []placement.Range{{First: 0, Count: 1}}, Require: []placement.Selector{{Key: "disk", Values: []string{"hdd"}}}}}
			}
			f.s.When(shard.Update{Namespace: "demo", Rules: &r})
			f.settle(t)
			if len(f.nodes) > 1 && rapid.Bool().Draw(rt, "lose") {
				f.lose(rapid.IntRange(0, len(f.nodes)-1).Draw(rt, "which"))
				f.settle(t)
			}
		}
	})
}
