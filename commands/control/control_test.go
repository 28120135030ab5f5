package control_test

import (
	"strings"
	"testing"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/model"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestReasons(t *testing.T) { commandtest.CheckReasons(t) }

func TestStartEra(t *testing.T) {
	s := commandtest.New(t, model.New())
	s.When(control.StartEra{Cluster: "c1"}).Then(&eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1})
	s.When(control.StartEra{Cluster: "c1"}).ThenRejected("already_started")
	s.When(control.StartEra{Cluster: "c2"}).ThenRejected("already_started")
}

func TestStartEraInvalid(t *testing.T) {
	for _, name := range []string{"", "a b", "-a", ".", "ü", "a/b", strings.Repeat("a", 129)} {
		commandtest.New(t, model.New()).When(control.StartEra{Cluster: name}).ThenInvalid("cluster")
	}
	commandtest.New(t, model.New()).When(control.StartEra{Cluster: strings.Repeat("a", 128)}).ThenDone()
}

// TestRestoredEra: a restore puts its era above the hole that it declares.
func TestRestoredEra(t *testing.T) {
	m := model.New()
	commandtest.New(t, m).Given(
		&eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1},
		&eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: 1, Next: 2},
	)
	if want := (control.State{Cluster: "c1", Era: 2, StartedAt: 2}); m.Control != want {
		t.Errorf("state is %+v, want %+v", m.Control, want)
	}
}
