package placer_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/placer"
)

// TestCommandsFitFrames: a plan in which every shard goes its own way, between
// nodes with the longest names, is cut so that each decision fits a frame. One
// that does not is refused, and would be asked for again for ever.
func TestCommandsFitFrames(t *testing.T) {
	const count, shards = 1000, 6000
	m := model.New()
	s := commandtest.New(t, m)
	var nodes []placer.Node
	assigned := &eventsv1.ShardsAssigned{Namespace: "demo"}
	for i := range count {
		id := fmt.Sprintf("%04d-%s", i, strings.Repeat("n", commands.MaxName-5))
		s.Given(
			&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: "worker", Weight: 1}},
			&eventsv1.SessionOpened{NodeId: id, TtlMs: 2000, SecretHash: make([]byte, events.HashSize), Incarnation: 1},
		)
		session := s.Position()
		nodes = append(nodes, placer.Node{Node: placement.Node{ID: id, Weight: placement.One}, Session: session})
		a := &eventsv1.ShardAssignment{NodeId: id, Session: uint64(session)}
		var ids []uint32
		for shard := i; shard < shards/2; shard += count {
			ids = append(ids, uint32(shard))
		}
		a.Shards = events.PackShards(ids)
		assigned.Assignments = append(assigned.Assignments, a)
	}
	s.Given(&eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{
		ShardCount: shards, StrategyId: "rendezvous", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE, EligibleRole: "worker",
	}}, assigned)
	ns, _ := m.Shard.Namespace("demo")
	touched := 0
	for _, cmd := range placer.Plan(ns, nodes, m.Time) {
		evs, err := m.Decide(commands.Meta{Actor: "node/s1", Time: m.Time, Next: m.Position + 1}, cmd)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range evs {
			touched += m.Shard.Touches(e)
			if size := proto.Size(e); size > events.MaxFrameBytes*9/10 {
				t.Errorf("%s: an event of %d bytes", cmd.CommandName(), size)
			}
		}
	}
	if touched < shards*9/10 {
		t.Errorf("%d shards are placed or moved: this tests nothing", touched)
	}
}
