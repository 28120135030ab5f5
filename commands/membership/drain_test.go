package membership_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// inMs is a log time of scenarios, Unix milliseconds.
func inMs(d time.Duration) int64 { return commandtest.Start().Add(d).UnixMilli() }

func drainStarted(within time.Duration, window string) *eventsv1.NodeDrainStarted {
	return &eventsv1.NodeDrainStarted{NodeId: "n1", DeadlineMs: inMs(within), Window: window}
}

// TestLifecycle is the table of PROTOCOL §3: each verb in each lifecycle.
func TestLifecycle(t *testing.T) {
	drained := &eventsv1.NodeDrained{NodeId: "n1"}
	states := map[string][]proto.Message{
		"active":   nil,
		"cordoned": {&eventsv1.NodeCordoned{NodeId: "n1"}},
		"draining": {drainStarted(time.Minute, "")},
		"drained":  {drainStarted(time.Minute, ""), drained},
	}
	allowed := map[string]string{"active": "cordon, drain", "cordoned": "uncordon, drain", "draining": "cancel-drain, drain", "drained": "uncordon"}
	verbs := []struct {
		command commands.Command
		then    proto.Message
		from    map[string]bool
	}{
		{membership.Cordon{NodeID: "n1"}, &eventsv1.NodeCordoned{NodeId: "n1"}, map[string]bool{"active": true}},
		{membership.Uncordon{NodeID: "n1"}, &eventsv1.NodeUncordoned{NodeId: "n1"}, map[string]bool{"cordoned": true, "drained": true}},
		{membership.Drain{NodeID: "n1"}, drainStarted(10*time.Minute, ""), map[string]bool{"active": true, "cordoned": true, "draining": true}},
		{membership.CancelDrain{NodeID: "n1"}, &eventsv1.NodeDrainCancelled{NodeId: "n1"}, map[string]bool{"draining": true}},
	}
	for state, given := range states {
		for _, v := range verbs {
			t.Run(v.command.CommandName()+" of "+state, func(t *testing.T) {
				s := commandtest.New(t, model.New()).Given(joined("n1", "a")...).Given(given...)
				if v.from[state] {
					s.When(v.command).Then(v.then)
					return
				}
				if r := s.When(v.command).Rejected("invalid_transition"); r.Allowed != allowed[state] || r.Field != "lifecycle" {
					t.Errorf("a node that is %s allows %q in %q, want %q", state, r.Allowed, r.Field, allowed[state])
				}
			})
		}
	}
}

func TestDrainRefused(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	d, _ := worker("s1")
	s.When(membership.JoinServer{Node: d}).ThenDone()
	s.When(membership.Drain{NodeID: "n2"}).ThenRejected("node_not_found")
	s.When(membership.Drain{NodeID: "s1"}).ThenRejected("node_is_server")
	s.When(membership.Drain{NodeID: "n1", Within: time.Second - 1}).ThenInvalid("deadlineMs")
	s.When(membership.Drain{NodeID: "n1", Within: 24*time.Hour + 1}).ThenInvalid("deadlineMs")
	s.IfVersion(9).When(membership.Drain{NodeID: "n1"}).ThenRejected("version_mismatch")
	s.When(membership.FinishDrain{NodeID: "n2"}).ThenRejected("node_not_found")
	s.When(membership.FinishDrain{NodeID: "n1", Session: 2}).ThenRejected("node_not_draining")
	s.When(membership.StallDrain{NodeID: "n1"}).ThenRejected("node_not_draining")
	s.When(membership.CancelDrain{NodeID: "n2"}).ThenRejected("node_not_found")
	s.When(membership.Maintain{NodeID: "n2"}).ThenRejected("node_not_found")
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).ThenDone()
	s.When(membership.Drain{NodeID: "n1"}).ThenRejected("node_left")
}

// TestDrainedIsA7: a node is drained when it owns nothing, leads nothing, and the
// session that says so is the present one.
func TestDrainedIsA7(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...) // session 2
	s.Given(
		&eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: 1, StrategyId: "optimal", EligibleRole: "worker", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE}},
		&eventsv1.ShardsAssigned{Namespace: "demo", Assignments: []*eventsv1.ShardAssignment{{NodeId: "n1", Session: 2, Shards: events.PackShards([]uint32{0})}}}, // 4
	)
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	finish := membership.FinishDrain{NodeID: "n1", Session: 2}
	s.When(finish).ThenRejected("drain_not_finished")
	s.When(leadership.Campaign{Scope: "jobs/b", NodeID: "n1", Session: 2}).ThenRejected("node_draining")
	s.When(shard.Release{Namespace: "demo", NodeID: "n1", Session: 2, Shards: []shard.Released{{Shard: 0, Fence: 4}},
		Else: []shard.Target{{NodeID: "n1", Session: 2, Shards: []uint32{0}}}}).ThenDone() // does not come back
	s.Given(&eventsv1.LeadershipGranted{Scope: "jobs/a", NodeId: "n1", Session: 2})
	s.When(finish).ThenRejected("drain_not_finished")
	s.When(leadership.Resign{Scope: "jobs/a", NodeID: "n1"}).ThenDone()
	s.When(membership.FinishDrain{NodeID: "n1", Session: 1}).ThenRejected("session_not_found")
	s.When(finish).Then(&eventsv1.NodeDrained{NodeId: "n1"})
	s.When(finish).ThenRejected("node_not_draining")
	s.When(leadership.Campaign{Scope: "jobs/b", NodeID: "n1", Session: 2}).ThenRejected("node_drained")
	s.When(shard.Assign{Namespace: "demo", Targets: []shard.Target{{NodeID: "n1", Session: 2, Shards: []uint32{0}}}}).ThenRejected("node_drained")
	s.When(membership.Uncordon{NodeID: "n1"}).ThenDone()
	s.When(shard.Assign{Namespace: "demo", Targets: []shard.Target{{NodeID: "n1", Session: 2, Shards: []uint32{0}}}}).ThenDone()
}

// TestDrainedOutlivesARestart: who left, or died, while draining has nothing; the
// process that comes back takes nothing until it is uncordoned.
func TestDrainedOutlivesARestart(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).ThenDone()
	s.When(membership.FinishDrain{NodeID: "n1", Session: 2}).ThenRejected("session_not_found")
	s.When(membership.FinishDrain{NodeID: "n1"}).Then(&eventsv1.NodeDrained{NodeId: "n1"})
	d, _ := worker("n1")
	s.When(open(d, "b", 1)).ThenDone()
	if n, _ := m.Membership.Node("n1"); n.Lifecycle != membership.Drained || n.Session == 0 {
		t.Errorf("it is %s with session %d", n.Lifecycle, n.Session)
	}
}

func TestStallDrain(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.Drain{NodeID: "n1", Within: time.Minute}).Then(drainStarted(time.Minute, ""))
	stall := membership.StallDrain{NodeID: "n1", Blockers: []membership.Blocker{{Kind: "shard", Reference: "demo/1", Reason: "paused"}}, More: 2}
	s.When(stall).ThenRejected("deadline_not_reached")
	s.After(time.Minute)
	many := stall
	many.Blockers = make([]membership.Blocker, membership.MaxBlockers+1)
	s.When(many).ThenInvalid("blockers")
	s.When(stall).Then(&eventsv1.NodeDrainStalled{NodeId: "n1", More: 2, Blockers: []*eventsv1.DrainBlocker{{Kind: "shard", Reference: "demo/1", Reason: "paused"}}})
	s.When(stall).ThenNothing()
	// A new deadline can be passed again.
	s.When(membership.Drain{NodeID: "n1", Within: time.Second}).Then(drainStarted(time.Minute+time.Second, ""))
	s.When(stall).ThenRejected("deadline_not_reached")
	s.After(time.Second).When(stall).ThenDone()
}

// window is a maintenance window of n1, from now on.
func window(name string, length time.Duration, impact eventsv1.MaintenanceImpact) policy.CreateMaintenance {
	return policy.CreateMaintenance{Name: name, NodeIDs: []string{"n1"}, End: commandtest.Start().Add(length).UnixNano(), Impact: impact}
}

const (
	note    = eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_NONE
	toHold  = eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_CORDON
	toDrain = eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN
)

// TestMaintain: a window does to a node what it says, and what it did is taken
// back, no more and no less.
func TestMaintain(t *testing.T) {
	maintain := membership.Maintain{NodeID: "n1"}
	begin := func(t *testing.T, given ...proto.Message) *commandtest.Scenario {
		return commandtest.New(t, model.New()).Given(joined("n1", "a")...).Given(given...)
	}
	cordoned := func(window string) *eventsv1.NodeCordoned {
		return &eventsv1.NodeCordoned{NodeId: "n1", Window: window}
	}
	opened := func(window string) *eventsv1.NodeUncordoned {
		return &eventsv1.NodeUncordoned{NodeId: "n1", Window: window}
	}
	t.Run("cordon", func(t *testing.T) {
		s := begin(t)
		s.When(maintain).ThenNothing()
		s.When(window("w", time.Hour, toHold)).ThenDone()
		s.When(maintain).Then(cordoned("w"))
		s.When(maintain).ThenNothing()
		s.After(time.Hour - 1).When(maintain).ThenNothing()
		s.After(1).When(maintain).Then(opened("w"))
		s.When(maintain).ThenNothing()
	})
	t.Run("drain", func(t *testing.T) {
		s := begin(t)
		s.When(window("w", time.Hour, toDrain)).ThenDone()
		s.When(maintain).Then(drainStarted(10*time.Minute, "w"))
		s.When(membership.FinishDrain{NodeID: "n1", Session: 2}).ThenDone()
		s.When(maintain).ThenNothing()
		s.When(policy.DeleteMaintenance{Name: "w"}).ThenDone()
		s.When(maintain).Then(opened("w"))
	})
	t.Run("ended while draining", func(t *testing.T) {
		s := begin(t)
		s.When(window("w", time.Hour, toDrain)).ThenDone()
		s.When(maintain).ThenDone()
		s.When(policy.EndMaintenance{Name: "w"}).ThenDone()
		s.When(maintain).Then(&eventsv1.NodeDrainCancelled{NodeId: "n1", Window: "w"})
	})
	t.Run("an operator's cordon is given back", func(t *testing.T) {
		s := begin(t, cordoned(""))
		s.When(window("c", time.Hour, toHold)).ThenDone()
		s.When(maintain).ThenNothing() // cordoned it is
		s.When(window("w", time.Hour, toDrain)).ThenDone()
		s.When(maintain).Then(drainStarted(10*time.Minute, "w"))
		s.When(membership.FinishDrain{NodeID: "n1", Session: 2}).ThenDone()
		s.After(time.Hour).When(maintain).Then(cordoned(""))
		s.When(maintain).ThenNothing()
	})
	t.Run("an operator's drain is left alone", func(t *testing.T) {
		s := begin(t, drainStarted(time.Minute, ""))
		s.When(window("w", time.Hour, toDrain)).ThenDone()
		s.When(maintain).ThenNothing()
		s.After(time.Hour).When(maintain).ThenNothing()
	})
	t.Run("what an operator opens stays open", func(t *testing.T) {
		s := begin(t)
		s.When(window("w", time.Hour, toHold)).ThenDone()
		s.When(maintain).ThenDone()
		s.After(time.Minute).When(membership.Uncordon{NodeID: "n1"}).Then(opened(""))
		s.When(maintain).ThenNothing()
		// A window that begins later counts.
		s.After(time.Minute).When(window("v", time.Hour, toHold)).ThenDone()
		s.When(maintain).Then(cordoned("v"))
	})
	t.Run("overlapping", func(t *testing.T) {
		s := begin(t)
		s.When(window("long", 3*time.Hour, toHold)).ThenDone()
		s.When(window("short", time.Hour, toDrain)).ThenDone()
		s.When(maintain).Then(drainStarted(10*time.Minute, "short")) // the stronger
		s.When(membership.FinishDrain{NodeID: "n1", Session: 2}).ThenDone()
		s.After(time.Hour).When(maintain).Then(cordoned("long"))
		s.After(2 * time.Hour).When(maintain).Then(opened("long"))
	})
	t.Run("one drain after the other", func(t *testing.T) {
		s := begin(t)
		s.When(window("a", time.Hour, toDrain)).ThenDone()
		s.When(maintain).ThenDone()
		s.When(window("b", 2*time.Hour, toDrain)).ThenDone()
		s.When(maintain).ThenNothing() // the one that it carries goes on
		s.When(membership.FinishDrain{NodeID: "n1", Session: 2}).ThenDone()
		s.After(time.Hour).When(maintain).Then(drainStarted(time.Hour+10*time.Minute, "b"), &eventsv1.NodeDrained{NodeId: "n1"})
		s.After(time.Hour).When(maintain).Then(opened("b"))
	})
	t.Run("a window for people", func(t *testing.T) {
		s := begin(t)
		s.When(window("w", time.Hour, note)).ThenDone()
		s.When(maintain).ThenNothing()
	})
	t.Run("a node that left", func(t *testing.T) {
		s := begin(t)
		s.When(window("w", time.Hour, toHold)).ThenDone()
		s.When(maintain).ThenDone()
		s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).ThenDone()
		s.When(maintain).Then(opened("w"))
		s.When(maintain).ThenNothing()
	})
}

// TestMaintainBySelectors: all must match; servers take no part.
func TestMaintainBySelectors(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	for i, l := range []map[string]string{{"disk": "ssd", "rack": "r1"}, {"disk": "ssd"}, {"disk": "hdd", "rack": "r1"}} {
		d, _ := worker([]string{"n1", "n2", "n3"}[i], func(d *membership.Descriptor) { d.Labels = l })
		s.When(open(d, d.NodeID, 1)).ThenDone()
	}
	d, _ := worker("s1", func(d *membership.Descriptor) { d.Labels = map[string]string{"disk": "ssd", "rack": "r9"} })
	s.When(membership.JoinServer{Node: d}).ThenDone()
	s.When(policy.CreateMaintenance{Name: "w", Selectors: []string{"rack", "disk=ssd"}, NodeIDs: []string{"n3", "n7"},
		End: commandtest.Start().Add(time.Hour).UnixNano(), Impact: toHold}).ThenDone()
	if due := m.MaintenanceDue(commandtest.Start().UnixNano()); len(due) != 2 || due[0] != "n1" || due[1] != "n3" {
		t.Errorf("the window is about %v, want n1 by its labels and n3 by its name", due)
	}
	if due := m.MaintenanceDue(commandtest.Start().Add(time.Hour).UnixNano()); len(due) != 0 {
		t.Errorf("after its end it is about %v", due)
	}
}
