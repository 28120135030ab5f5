package maintenance_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/maintenance"
)

// TestStep: the nodes are asked for at the start and at the end of their window, and
// not between; it looks again just then.
func TestStep(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.When(membership.OpenSession{Node: membership.Descriptor{NodeID: "n1", Role: "worker", Weight: 1},
		SecretHash: events.HashOf([]byte("n1")), Incarnation: 1}).ThenDone()
	begin := commandtest.Start()
	s.When(policy.CreateMaintenance{Name: "w", NodeIDs: []string{"n1"}, Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_CORDON,
		Start: begin.Add(10 * time.Second).UnixNano(), End: begin.Add(30 * time.Second).UnixNano()}).ThenDone()
	step := func(at time.Duration, asks bool, next time.Duration) {
		t.Helper()
		cmds, wait := maintenance.New().Step(sequencer.View{Model: m}, sequencer.Now{Wall: begin.Add(at).UnixNano()})
		if len(cmds) != map[bool]int{true: 1}[asks] || wait != next {
			t.Errorf("after %s it asks for %v and looks again after %s, want %s", at, cmds, wait, next)
		}
		for _, c := range cmds {
			s.When(c).ThenDone()
		}
	}
	step(0, false, 10*time.Second+time.Millisecond)
	s.After(10 * time.Second)
	step(10*time.Second, true, 20*time.Second+time.Millisecond)
	step(11*time.Second, false, 19*time.Second+time.Millisecond)
	s.After(20 * time.Second)
	step(30*time.Second, true, time.Minute)
	step(31*time.Second, false, time.Minute)
	if n, _ := m.Membership.Node("n1"); n.Lifecycle != membership.Active {
		t.Errorf("it is %s", n.Lifecycle)
	}
	// A clock that is behind the log does not undo what the log's time began.
	s.When(policy.CreateMaintenance{Name: "v", NodeIDs: []string{"n1"}, Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_CORDON,
		End: begin.Add(time.Hour).UnixNano()}).ThenDone()
	step(0, true, time.Minute)
	step(0, false, time.Minute)
}
