package shard_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func ptr[T any](v T) *T { return &v }

func TestCreate(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	create := shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 300}}
	s.When(create).Then(&eventsv1.NamespaceCreated{Namespace: ns, Spec: spec(300)})
	s.When(create).ThenRejected("namespace_exists")
	n, _ := m.Shard.Namespace(ns)
	if n.Len() != 300 || n.Unowned() != 300 || n.Version != 1 || *n.Shard(299) != (shard.Shard{Version: 1}) || n.Shard(300) != nil {
		t.Errorf("namespace of %d shards, %d unowned, version %d", n.Len(), n.Unowned(), n.Version)
	}
	full := shard.Spec{ShardCount: 1, Strategy: "ring", Ownership: lease, EligibleRole: "db", CapacityHint: 2.5}
	s.When(shard.Create{Namespace: "other", Spec: full}).Then(&eventsv1.NamespaceCreated{Namespace: "other", Spec: &eventsv1.NamespaceSpec{
		ShardCount: 1, StrategyId: "ring", Ownership: lease, EligibleRole: "db", CapacityHint: 2.5}})
}

func TestCreateInvalid(t *testing.T) {
	for field, sp := range map[string]shard.Spec{
		"shardCount":   {},
		"strategyId":   {ShardCount: 1, Strategy: "best"},
		"eligibleRole": {ShardCount: 1, EligibleRole: "a b"},
		"capacityHint": {ShardCount: 1, CapacityHint: math.NaN()},
		"ownership":    {ShardCount: 1, Ownership: 9},

		"ownershipTtlMs": {ShardCount: 1, OwnershipTTL: shard.MaxOwnershipTTL + time.Millisecond},
	} {
		commandtest.New(t, model.New()).When(shard.Create{Namespace: ns, Spec: sp}).ThenInvalid(field)
	}
	s := commandtest.New(t, model.New())
	s.When(shard.Create{Namespace: "no name", Spec: shard.Spec{ShardCount: 1}}).ThenInvalid("namespace")
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: events.MaxShards + 1}}).ThenInvalid("shardCount")
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 10_000_000}}).ThenRejected("invalid_field")
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1, CapacityHint: -1}}).ThenInvalid("capacityHint")
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1, Strategy: "best"}}).ThenRejected("strategy_unknown")
	r := s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1, Ownership: 4}}).Rejected("ownership_unsupported")
	if r.Allowed != "lease, fenced, sticky" {
		t.Errorf("allows %q", r.Allowed)
	}
	if r := s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1, Strategy: "best"}}).Rejected("strategy_unknown"); !strings.Contains(r.Allowed, "rendezvous") {
		t.Errorf("allows %q", r.Allowed)
	}
}

func TestUpdate(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Update{Namespace: "none"}).ThenRejected("namespace_not_found")
	s.When(shard.Update{Namespace: ns}).ThenNothing()
	s.When(shard.Update{Namespace: ns, ShardCount: ptr(uint32(7))}).ThenRejected("shard_count_shrinks")
	s.When(shard.Update{Namespace: ns, ShardCount: ptr(uint32(events.MaxShards + 1))}).ThenInvalid("shardCount")
	s.When(shard.Update{Namespace: ns, Strategy: ptr("")}).ThenRejected("strategy_unknown")
	s.When(shard.Update{Namespace: ns, Strategy: ptr("best")}).ThenRejected("strategy_unknown")
	s.When(shard.Update{Namespace: ns, EligibleRole: ptr("")}).ThenInvalid("eligibleRole")
	s.IfVersion(2).When(shard.Update{Namespace: ns, ShardCount: ptr(uint32(200))}).ThenRejected("version_mismatch")
	grown := spec(200)
	s.IfVersion(1).When(shard.Update{Namespace: ns, ShardCount: ptr(uint32(200))}).Then(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: grown})
	s.When(shard.Update{Namespace: ns, ShardCount: ptr(uint32(200))}).ThenNothing()
	n, _ := m.Shard.Namespace(ns)
	if n.Len() != 200 || n.Unowned() != 194 || n.Owned("n1") != 4 || n.Version != 2 {
		t.Errorf("namespace of %d shards, %d unowned, %d of n1, version %d", n.Len(), n.Unowned(), n.Owned("n1"), n.Version)
	}
	// Growing touches no shard that was there; what their records show does.
	if v := at(t, m, 0).Version; v != 2 {
		t.Errorf("shard 0 has version %d after growth, want 2", v)
	}
	grown.StrategyId = "ring"
	s.When(shard.Update{Namespace: ns, Strategy: ptr("ring")}).Then(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: grown})
	grown.EligibleRole, grown.CapacityHint = "db", 3
	s.When(shard.Update{Namespace: ns, EligibleRole: ptr("db"), CapacityHint: ptr(3.0)}).Then(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: grown})
	if v := at(t, m, 0).Version; v != 4 {
		t.Errorf("shard 0 has version %d after strategy and hint, want 4", v)
	}
	s.When(assign(target("n3", 6, 199))).ThenRejected("node_not_eligible")
}

func TestDeleteEmpty(t *testing.T) {
	s, _ := mesh(t)
	s.When(shard.Delete{Namespace: "none"}).ThenRejected("namespace_not_found")
	s.When(shard.FinishDelete{Namespace: "none"}).ThenRejected("namespace_not_found")
	s.When(shard.FinishDelete{Namespace: ns}).ThenRejected("namespace_in_use")
	s.IfVersion(7).When(shard.Delete{Namespace: ns}).ThenRejected("version_mismatch")
	s.When(shard.Delete{Namespace: ns}).Then(&eventsv1.NamespaceDeleting{Namespace: ns}, &eventsv1.NamespaceDeleted{Namespace: ns})
	s.When(shard.Delete{Namespace: ns}).ThenRejected("namespace_not_found")
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1}}).ThenDone()
}

// TestDeleteOwned: owners release first; nothing is assigned meanwhile, moves
// end, and the name is free only after the second fact.
func TestDeleteOwned(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}).ThenDone()
	s.When(shard.Delete{Namespace: ns}).Then(&eventsv1.NamespaceDeleting{Namespace: ns})
	if sh := at(t, m, 0); sh.Moving() || sh.Owner != "n1" {
		t.Errorf("shard 0 is %+v", sh)
	}
	for _, cmd := range []interface{ CommandName() string }{
		shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1}}, shard.Update{Namespace: ns}, shard.Delete{Namespace: ns},
		assign(target("n3", 6, 7)), shard.Move{Namespace: ns, Shards: []uint32{0}, To: "n2"}, shard.Rebalance{Namespace: ns},
		shard.FailMoves{Namespace: ns, Shards: []uint32{0}}, shard.CancelMoves{Namespace: ns, Shards: []uint32{0}},
		shard.Pause{Namespace: ns, Shards: []uint32{0}}, shard.Resume{Namespace: ns, Shards: []uint32{0}},
	} {
		s.When(cmd).ThenRejected("namespace_deleting")
	}
	s.When(shard.FinishDelete{Namespace: ns}).ThenRejected("namespace_in_use")
	// A release is logged and assigns nothing, whatever it asks for.
	r := release("n1", 2, 10, 0, 1, 2, 3)
	r.Else = []shard.Target{target("n3", 6, 0, 1, 2, 3)}
	s.When(r).Then(released(deleted, of("n1", 2, 0, 1, 2, 3)))
	// The dead release by their lease.
	s.When(shard.FinishDelete{Namespace: ns}).ThenRejected("namespace_in_use")
	s.Given(closed("n2", 4))
	s.When(shard.FinishDelete{Namespace: ns}).Then(&eventsv1.NamespaceDeleted{Namespace: ns})
	s.When(shard.FinishDelete{Namespace: ns}).ThenRejected("namespace_not_found")
	s.When(release("n1", 2, 10, 0)).ThenRejected("namespace_not_found")
}

// TestCreateAgain: the shards of a name that is used again have higher fences
// than before (L2).
func TestCreateAgain(t *testing.T) {
	s, m := owned(t)
	s.Given(closed("n1", 2), closed("n2", 4))
	s.When(shard.Delete{Namespace: ns}).ThenDone()
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 2}}).ThenDone()
	s.When(assign(target("n3", 6, 0))).ThenDone()
	if sh := at(t, m, 0); sh.Fence <= 11 || sh.Fence != s.Position() {
		t.Errorf("fence is %d at position %d", sh.Fence, s.Position())
	}
}

// TestOneEventForAll: a namespace of 100,000 shards, and the death of a node
// that owns a third, are one small event each.
func TestOneEventForAll(t *testing.T) {
	s, m := mesh(t)
	s.When(shard.Create{Namespace: "large", Spec: shard.Spec{ShardCount: 100_000}}).
		Then(&eventsv1.NamespaceCreated{Namespace: "large", Spec: spec(100_000)})
	for from := uint32(0); from < 33_000; from += 2000 {
		var ids []uint32
		for id := from; id < min(from+2000, 33_000); id++ {
			ids = append(ids, id)
		}
		s.When(shard.Assign{Namespace: "large", Targets: []shard.Target{{NodeID: "n1", Session: 2, Shards: ids}}}).ThenDone()
	}
	n, _ := m.Shard.Namespace("large")
	if n.Owned("n1") != 33_000 || n.Unowned() != 67_000 {
		t.Fatalf("n1 owns %d, %d are unowned", n.Owned("n1"), n.Unowned())
	}
	s.Given(closed("n1", 2))
	n, _ = m.Shard.Namespace("large")
	if n.Owned("n1") != 0 || n.Unowned() != 100_000 || n.Shard(32_999).LastOwner != "n1" || n.Shard(33_000).LastOwner != "" {
		t.Errorf("n1 owns %d, %d are unowned", n.Owned("n1"), n.Unowned())
	}
}

// TestVersionsGoOn: a condition on a namespace that was deleted does not fit the
// next one of the name, also over a snapshot, and however many were deleted.
func TestVersionsGoOn(t *testing.T) {
	s, m := mesh(t)
	more := uint32(9)
	version := func(name string) uint64 {
		n, ok := m.Shard.Namespace(name)
		if !ok {
			t.Fatalf("no namespace %s", name)
		}
		return n.Version
	}
	s.When(shard.Update{Namespace: ns, ShardCount: &more}).ThenDone() // 2
	s.When(shard.Delete{Namespace: ns}).ThenDone()                    // 3
	s.When(shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 8}}).Then(
		&eventsv1.NamespaceCreated{Namespace: ns, Spec: spec(8), Version: 4})
	s.IfVersion(1).When(shard.Update{Namespace: ns, ShardCount: &more}).ThenRejected("version_mismatch")
	s.IfVersion(4).When(shard.Update{Namespace: ns, ShardCount: &more}).ThenDone()
	s.When(shard.Create{Namespace: "fresh", Spec: shard.Spec{ShardCount: 8}}).Then(
		&eventsv1.NamespaceCreated{Namespace: "fresh", Spec: spec(8)})
	if version(ns) != 5 || version("fresh") != 1 {
		t.Errorf("versions %d and %d, want 5 and 1", version(ns), version("fresh"))
	}
	s.When(shard.Delete{Namespace: ns}).ThenDone() // 6
	image, err := m.Image()
	if err != nil {
		t.Fatal(err)
	}
	again, err := model.FromImage(image)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]*model.Model{"the state": m, "its image": again} {
		evs, err := from.Decide(commands.Meta{Actor: "user/a", Next: 100}, shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1}})
		if err != nil || evs[0].GetNamespaceCreated().GetVersion() != 7 {
			t.Errorf("%s: %v, %v", name, evs, err)
		}
	}
	for i := range 10_001 { // more than are remembered one by one
		name := "x" + strconv.Itoa(i)
		for _, e := range []proto.Message{
			&eventsv1.NamespaceCreated{Namespace: name, Spec: spec(1)}, &eventsv1.NamespaceDeleted{Namespace: name},
		} {
			at := m.Position + 1
			m.Evolve(events.Recorded{Position: at, Decision: at, Meta: &eventsv1.Meta{}, Event: commandtest.Event(t, e)})
		}
	}
	if kept := m.Shard.Ended(); kept.Floor != 6 || len(kept.Versions) > 10_000 {
		t.Errorf("floor %d, %d names", kept.Floor, len(kept.Versions))
	}
	evs, err := m.Decide(commands.Meta{Actor: "user/a", Next: m.Position + 1}, shard.Create{Namespace: ns, Spec: shard.Spec{ShardCount: 1}})
	if err != nil || evs[0].GetNamespaceCreated().GetVersion() != 7 {
		t.Errorf("beyond the bound: %v, %v", evs, err)
	}
}
