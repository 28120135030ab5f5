package succession_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/succession"
)

// mesh has n1, session 2, and n2, session 4.
func mesh(t *testing.T) (*model.Model, *commandtest.Scenario) {
	m := model.New()
	s := commandtest.New(t, m)
	for i, id := range []string{"n1", "n2"} {
		s.When(membership.OpenSession{
			Node:       membership.Descriptor{NodeID: id, Role: "worker", Weight: 1},
			SecretHash: events.HashOf([]byte(id)), Incarnation: uint64(i + 1),
		}).ThenDone()
	}
	return m, s
}

// led makes n1 the leader of scopes that n2 wants as well, with labels, and lets
// n1 die.
func led(s *commandtest.Scenario, scopes int, labels map[string]string) {
	for i := range scopes {
		scope := fmt.Sprintf("jobs/%04d", i)
		s.Given(
			&eventsv1.LeadershipGranted{Scope: scope, NodeId: "n1", Session: 2},
			&eventsv1.CandidacyDeclared{Scope: scope, NodeId: "n2", Session: 4, Labels: labels},
		)
	}
	s.Given(&eventsv1.SessionClosed{NodeId: "n1", Session: 2})
}

func step(m *model.Model) []commands.Command {
	cmds, _ := succession.New().Step(sequencer.View{Model: m}, sequencer.Now{})
	return cmds
}

// TestElectionsFitFrames is L5 for candidates that say as much of themselves as
// they may: a decision over the limit of a frame is refused, and would be asked
// for again for ever.
func TestElectionsFitFrames(t *testing.T) {
	large := map[string]string{}
	for i := range commands.MaxLabels {
		large[fmt.Sprintf("%0*d", commands.MaxName, i)] = strings.Repeat("x", commands.MaxLabelValue)
	}
	for name, c := range map[string]struct {
		scopes int
		labels map[string]string
	}{
		"many scopes":  {2500, nil},
		"large labels": {60, large},
	} {
		t.Run(name, func(t *testing.T) {
			m, s := mesh(t)
			led(s, c.scopes, c.labels)
			granted := 0
			for _, cmd := range step(m) {
				evs, err := m.Decide(commands.Meta{Actor: "node/s1", Next: m.Position + 1}, cmd)
				if err != nil {
					t.Fatal(err)
				}
				size := 0
				for _, e := range evs {
					size += proto.Size(e) + 8
				}
				if size > events.MaxFrameBytes*9/10 || len(evs) > events.MaxFrameEvents {
					t.Errorf("a decision has %d events and %d bytes", len(evs), size)
				}
				granted += len(evs)
			}
			if granted != c.scopes {
				t.Errorf("%d of %d scopes get a leader", granted, c.scopes)
			}
		})
	}
}

// TestNobodyToElect: where nobody could win, nothing is asked for (L7).
func TestNobodyToElect(t *testing.T) {
	m, s := mesh(t)
	led(s, 1, nil)
	s.When(membership.Cordon{NodeID: "n2"}).ThenDone()
	if cmds := step(m); len(cmds) != 0 {
		t.Errorf("with a cordoned candidate: %+v", cmds)
	}
	s.When(membership.Uncordon{NodeID: "n2"}).ThenDone()
	for _, cmd := range step(m) {
		s.When(cmd).ThenDone()
	}
	if sc, _ := m.Leadership.Scope("jobs/0000"); sc.Holder != "n2" {
		t.Errorf("the scope is %+v", sc)
	}
	if cmds := step(m); len(cmds) != 0 {
		t.Errorf("when all scopes are led: %+v", cmds)
	}
}
