package drainer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/drainer"
)

// reports are what one node says of itself.
type reports struct {
	heard bool
	held  []uint32 // of namespace demo
}

func (r *reports) EachHeld(_ string, _ events.Position, fn func(string, uint32, events.Position)) bool {
	for _, id := range r.held {
		if r.heard {
			fn("demo", id, 6)
		}
	}
	return r.heard
}

// mesh has n1, session 2, which owns shards 0 and 1 of demo, and n2, session 4.
func mesh(t *testing.T) (*commandtest.Scenario, *model.Model) {
	m := model.New()
	s := commandtest.New(t, m)
	for _, id := range []string{"n1", "n2"} {
		s.When(membership.OpenSession{Node: membership.Descriptor{NodeID: id, Role: "worker", Weight: 1},
			SecretHash: events.HashOf([]byte(id)), Incarnation: 1}).ThenDone()
	}
	s.When(shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: 2}}).ThenDone()                                             // 5
	s.When(shard.Assign{Namespace: "demo", Targets: []shard.Target{{NodeID: "n1", Session: 2, Shards: []uint32{0, 1}}}}).ThenDone() // 6
	return s, m
}

func step(m *model.Model, r drainer.Reports) []string {
	cmds, _ := drainer.New(r).Step(sequencer.View{Model: m}, sequencer.Now{Wall: m.Time, Boot: 1})
	var names []string
	for _, c := range cmds {
		names = append(names, fmt.Sprintf("%s %+v", c.CommandName(), c))
	}
	return names
}

func want(t *testing.T, what string, got []string, wanted ...string) {
	t.Helper()
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// release gives up a shard of n1, which goes to n2 by a move, or to nobody.
func release(id uint32) commands.Command {
	return shard.Release{Namespace: "demo", NodeID: "n1", Session: 2, Shards: []shard.Released{{Shard: id, Fence: 6}}}
}

// TestFinish is A7: neither the log nor the node's own word is enough alone.
func TestFinish(t *testing.T) {
	const finish = "membership.FinishDrain {NodeID:n1 Session:2}"
	s, m := mesh(t)
	r := &reports{}
	want(t, "an active node", step(m, r))
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	r.heard = true
	want(t, "it owns two, and says that it holds none", step(m, r))
	s.When(release(0)).ThenDone()
	s.When(release(1)).ThenDone()
	r.heard = false
	want(t, "it owns none, and was not heard", step(m, r))
	r.heard, r.held = true, []uint32{1}
	want(t, "it owns none, and still holds one", step(m, r))
	r.held = nil
	want(t, "it has nothing", step(m, r), finish)
	s.When(leadership.Elect{Scopes: nil}).ThenNothing()
	s.Given(&eventsv1.LeadershipGranted{Scope: "jobs/a", NodeId: "n1", Session: 2})
	want(t, "it leads", step(m, r), fmt.Sprintf("leadership.Resign {Scope:jobs/a NodeID:n1 Session:2 Term:%d}", s.Position()))
	s.Given(&eventsv1.SessionClosed{NodeId: "n1", Session: 2})
	r.heard = false
	want(t, "its session is gone", step(m, r), "membership.FinishDrain {NodeID:n1 Session:0}")
}

// TestReadings: a node that reads is not drained (A7), for the decider either, and
// nothing blocks it: the placer takes what it reads.
func TestReadings(t *testing.T) {
	s, m := mesh(t)
	one := uint32(1)
	s.When(shard.Update{Namespace: "demo", Readers: &one}).ThenDone()
	s.When(shard.PlaceReaders{Namespace: "demo", Assign: []shard.Target{{NodeID: "n2", Session: 4, Shards: []uint32{1}}}}).ThenDone()
	s.When(membership.Drain{NodeID: "n2"}).ThenDone()
	want(t, "it reads one", step(m, &reports{heard: true}))
	finish := membership.FinishDrain{NodeID: "n2", Session: 4}
	s.When(finish).ThenRejected("drain_not_finished")
	n, _ := m.Membership.Node("n2")
	if p := drainer.Look(m, n, nil, m.Time); p.Readings != 1 || p.Shards != 0 || len(p.Blockers) != 0 {
		t.Errorf("progress %+v", p)
	}
	s.When(shard.PlaceReaders{Namespace: "demo", Release: []shard.Target{{NodeID: "n2", Session: 4, Shards: []uint32{1}}}}).ThenDone()
	want(t, "it reads none", step(m, &reports{heard: true}), "membership.FinishDrain {NodeID:n2 Session:4}")
	s.When(finish).ThenDone()
}

// TestQuarantined: a sticky shard that is quarantined stays with the node that was
// started again; what it waits for is its release, and no forced move.
func TestQuarantined(t *testing.T) {
	s, m := mesh(t)
	deaths := uint32(1)
	s.When(policy.SetQuarantine{Deaths: &deaths}).ThenDone()
	s.When(shard.Create{Namespace: "kept", Spec: shard.Spec{ShardCount: 1, Ownership: eventsv1.Ownership_OWNERSHIP_STICKY}}).ThenDone()
	s.When(shard.Assign{Namespace: "kept", Targets: []shard.Target{{NodeID: "n2", Session: 4, Shards: []uint32{0}}}}).ThenDone()
	s.After(time.Minute).When(membership.OpenSession{Node: membership.Descriptor{NodeID: "n2", Role: "worker", Weight: 1},
		SecretHash: events.HashOf([]byte("n2")), Incarnation: 2}).ThenDone()
	s.When(membership.Drain{NodeID: "n2"}).ThenDone()
	s.When(shard.Move{Namespace: "kept", Shards: []uint32{0}, To: "n1", Force: true}).ThenRejected("shard_quarantined")
	n, _ := m.Membership.Node("n2")
	p := drainer.Look(m, n, nil, m.Time)
	if len(p.Blockers) != 1 || p.Blockers[0].Reason != "quarantined" || p.Blockers[0].Reference != "kept/0" {
		t.Errorf("progress %+v", p)
	}
}

// TestResignsAreBounded: so that the others do not all campaign at once.
func TestResignsAreBounded(t *testing.T) {
	s, m := mesh(t)
	for i := range drainer.ResignPerNode + 5 {
		s.Given(&eventsv1.LeadershipGranted{Scope: fmt.Sprintf("jobs/%02d", i), NodeId: "n1", Session: 2})
	}
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	if n := len(step(m, &reports{})); n != drainer.ResignPerNode {
		t.Errorf("it resigns %d at once", n)
	}
}

// TestStall: at the deadline what is left is named, what blocks first, once.
func TestStall(t *testing.T) {
	s, m := mesh(t)
	s.When(shard.Pause{Namespace: "demo", Shards: []uint32{1}}).ThenDone()
	s.When(membership.Drain{NodeID: "n1", Within: time.Minute}).ThenDone()
	want(t, "before", step(m, &reports{}))
	s.After(time.Minute).When(membership.Update{NodeID: "n2", Labels: map[string]string{"a": "b"}}).ThenDone()
	got := step(m, &reports{})
	want(t, "at the deadline", got,
		"membership.StallDrain {NodeID:n1 Blockers:[{Kind:shard Reference:demo/1 Reason:paused} {Kind:shard Reference:demo/0 Reason:waiting} {Kind:node Reference:n1 Reason:not_heard}] More:0}")
	s.When(membership.StallDrain{NodeID: "n1"}).ThenDone()
	want(t, "once", step(m, &reports{}))
}

// TestCancelTakesMovesBack, of the drain and no others.
func TestCancelTakesMovesBack(t *testing.T) {
	s, m := mesh(t)
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	s.When(shard.Rebalance{Namespace: "demo", Drain: true, Moves: []shard.Relocation{{From: "n1", To: "n2", Shards: []uint32{0}}}}).ThenDone()
	s.When(shard.Move{Namespace: "demo", Shards: []uint32{1}, To: "n2"}).ThenDone()
	want(t, "while it drains", step(m, &reports{}))
	s.When(membership.CancelDrain{NodeID: "n1"}).ThenDone()
	want(t, "cancelled", step(m, &reports{}), "shard.CancelMoves {Namespace:demo Shards:[0] TargetLost:false DrainOver:true}")
	s.When(shard.CancelMoves{Namespace: "demo", Shards: []uint32{0}, DrainOver: true}).ThenDone()
	want(t, "taken back", step(m, &reports{}))
}

// TestLook names each reason.
func TestLook(t *testing.T) {
	s, m := mesh(t)
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	look := func(r drainer.Reports) string {
		n, _ := m.Membership.Node("n1")
		p := drainer.Look(m, n, r, m.Time)
		text := fmt.Sprintf("%d shards, %d moving, %d leaderships, %d held (%t)", p.Shards, p.Moving, p.Leaderships, p.InFlight, p.Heard)
		for _, b := range p.Blockers {
			if b.Detail == "" {
				t.Errorf("%+v says nothing to people", b)
			}
			text += fmt.Sprintf("; %s %s %s", b.Kind, b.Reference, b.Reason)
		}
		return text
	}
	check := func(what, wanted string, r drainer.Reports) {
		t.Helper()
		if got := look(r); got != wanted {
			t.Errorf("%s: %s\nwant %s", what, got, wanted)
		}
	}
	check("begun", "2 shards, 0 moving, 0 leaderships, 0 held (false)", nil)
	check("heard", "2 shards, 0 moving, 0 leaderships, 3 held (true); hold demo/2 not_ended", &reports{heard: true, held: []uint32{0, 1, 2}})
	s.When(shard.Rebalance{Namespace: "demo", Drain: true, Moves: []shard.Relocation{{From: "n1", To: "n2", Shards: []uint32{0}}}}).ThenDone()
	check("moving", "2 shards, 1 moving, 0 leaderships, 0 held (false)", nil)
	s.After(shard.MoveDeadline).When(shard.FailMoves{Namespace: "demo", Shards: []uint32{0}}).ThenDone()
	check("not prepared", "2 shards, 0 moving, 0 leaderships, 0 held (false); shard demo/0 target_not_prepared", nil)
	s.After(1).When(membership.Drain{NodeID: "n1"}).ThenDone()
	s.When(shard.Rebalance{Namespace: "demo", Drain: true, Moves: []shard.Relocation{{From: "n1", To: "n2", Shards: []uint32{0}}}}).ThenDone()
	s.When(shard.AskRelease{Namespace: "demo", NodeID: "n2", Session: 4, Shards: []shard.Prepared{{Shard: 0, Fence: 6}}}).ThenDone()
	s.After(shard.MoveDeadline).When(shard.FailMoves{Namespace: "demo", Shards: []uint32{0}}).ThenDone()
	check("not released", "2 shards, 0 moving, 0 leaderships, 0 held (false); shard demo/0 owner_not_releasing", nil)
	s.When(shard.Pause{Namespace: "demo", Shards: []uint32{1}}).ThenDone()
	s.After(1).When(membership.Drain{NodeID: "n1"}).ThenDone()
	check("asked again", "2 shards, 0 moving, 0 leaderships, 0 held (false); shard demo/1 paused", nil)
	s.When(membership.Cordon{NodeID: "n2"}).ThenDone()
	check("nobody there", "2 shards, 0 moving, 0 leaderships, 0 held (false); shard demo/0 no_eligible_node; shard demo/1 paused", nil)
}

// TestPinned: a shard that the rules leave no node for says so, and waits like any
// other once they leave one.
func TestPinned(t *testing.T) {
	s, m := mesh(t)
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	blocked := func() (refs []string) {
		n, _ := m.Membership.Node("n1")
		p := drainer.Look(m, n, nil, m.Time)
		for _, b := range p.Blockers {
			if b.Reason != "pinned" || b.Detail == "" {
				t.Errorf("blocked by %+v", b)
			}
			refs = append(refs, b.Reference)
		}
		return refs
	}
	for _, c := range []struct {
		what  string
		rules placement.Rules
		want  []string
	}{
		{"pinned to who leaves", placement.Rules{Pins: []placement.Pin{{Shards: []placement.Range{{First: 1, Count: 1}}, Nodes: []string{"n1"}}}}, []string{"demo/1"}},
		{"nobody has the label", placement.Rules{Require: []placement.Selector{{Key: "gpu"}}}, []string{"demo/0", "demo/1"}},
		{"allowed", placement.Rules{Require: []placement.Selector{{Key: "gpu", Not: true}}, MaxPerNode: 1}, nil},
	} {
		s.When(shard.Update{Namespace: "demo", Rules: &c.rules}).ThenDone()
		if diff := cmp.Diff(c.want, blocked()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.what, diff)
		}
	}
	// n2 takes one, and has no room for the other.
	s.When(shard.Rebalance{Namespace: "demo", Drain: true, Moves: []shard.Relocation{{From: "n1", To: "n2", Shards: []uint32{0}}}}).ThenDone()
	s.When(shard.Release{NodeID: "n1", Namespace: "demo", Session: 2, Shards: []shard.Released{{Shard: 0, Fence: 6}}}).ThenDone()
	if diff := cmp.Diff([]string{"demo/1"}, blocked()); diff != "" {
		t.Errorf("full: (-want +got)\n%s", diff)
	}
	// So it is with what is only on its way there, or paused and nobody's since.
	s.When(shard.Pause{Namespace: "demo", Shards: []uint32{0}}).ThenDone()
	s.When(membership.OpenSession{Node: membership.Descriptor{NodeID: "n2", Role: "worker", Weight: 1}, SecretHash: events.HashOf([]byte("n2")), Incarnation: 2}).ThenDone()
	if diff := cmp.Diff([]string{"demo/1"}, blocked()); diff != "" {
		t.Errorf("paused: (-want +got)\n%s", diff)
	}
}
