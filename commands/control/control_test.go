package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
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

// TestRestoredEra: a restore puts its era above the hole that it declares. No
// session is opened until it is settled, which happens once.
func TestRestoredEra(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(
		&eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1},
		&eventsv1.LogSealed{},
		&eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: 2, Next: 3, SettleMs: 7000},
	)
	if want := (control.State{Cluster: "c1", Era: 2, StartedAt: 3, Settling: true, Settle: 7 * time.Second}); m.Control != want {
		t.Errorf("state is %+v, want %+v", m.Control, want)
	}
	open := membership.OpenSession{
		Node: membership.Descriptor{NodeID: "n1", Role: "worker", Weight: 1}, SecretHash: events.HashOf([]byte("n1")), Incarnation: 1,
	}
	s.When(open).ThenRejected("era_settling")
	s.When(control.SettleEra{Era: 1}).ThenRejected("era_other")
	s.When(control.SettleEra{Era: 2}).Then(&eventsv1.EraSettled{Era: 2})
	s.When(control.SettleEra{Era: 2}).ThenNothing()
	s.When(open).ThenDone()
}

// TestFirstEraIsSettled: there is no time before it.
func TestFirstEraIsSettled(t *testing.T) {
	s := commandtest.New(t, model.New())
	s.When(control.StartEra{Cluster: "c1"}).ThenDone()
	s.When(control.SettleEra{Era: 1}).ThenNothing()
}

type noCommand struct{}

func (noCommand) CommandName() string { return "control.Stop" }

func TestNoCommand(t *testing.T) {
	commandtest.New(t, model.New()).When(noCommand{}).ThenRejected("command_unknown")
}

// TestSeal: a sealed log takes nothing of any context but what may end the seal.
func TestSeal(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.When(control.Seal{}).ThenRejected("not_started")
	s.When(control.StartEra{Cluster: "c1"}).ThenDone()
	s.When(control.Unseal{}).ThenRejected("not_sealed")
	s.When(control.Seal{}).Then(&eventsv1.LogSealed{})
	for _, cmd := range []commands.Command{
		control.Seal{}, control.StartEra{Cluster: "c1"}, control.SettleEra{Era: 1},
		membership.OpenSession{}, membership.CloseSession{}, membership.Cordon{}, membership.JoinServer{},
		leadership.Campaign{}, leadership.Resign{}, leadership.Elect{},
		shard.Create{}, shard.Assign{}, shard.Move{}, policy.SetSession{},
	} {
		s.When(cmd).ThenRejected("log_sealed")
	}
	s.When(leadership.GrantControl{Server: "s1"}).ThenDone()
	if m.Control.Sealed != 2 || m.Control.Resumed != 0 {
		t.Errorf("state is %+v", m.Control)
	}
	s.When(control.Unseal{}).Then(&eventsv1.LogResumed{Sealed: 2})
	if m.Control.Sealed != 0 || m.Control.Resumed != 4 {
		t.Errorf("state is %+v", m.Control)
	}
	s.When(control.Seal{}).Then(&eventsv1.LogSealed{})
}

// TestReplaceReplica: what was done to a copy of the log is told, and changes
// nothing that is decided.
func TestReplaceReplica(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.Given(&eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1})
	before := m.Control
	s.When(control.ReplaceReplica{Server: "s3"}).Then(&eventsv1.ReplicaReplaced{Server: "s3"})
	s.When(control.ReplaceReplica{Server: "a b"}).ThenInvalid("server")
	if m.Control != before {
		t.Errorf("the state is %+v, was %+v", m.Control, before)
	}
}

// TestRecordHealing: what was put back is told once, whoever did it.
func TestRecordHealing(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m)
	s.Given(&eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1}, &eventsv1.LogSealed{}, &eventsv1.LogResumed{Sealed: 2})
	hash := events.HashOf([]byte("frame"))
	whole := control.RecordHealing{First: 2, Last: 3, Frames: 2, Hash: hash, KeptBy: "s3"}
	s.When(whole).Then(&eventsv1.LogTailHealed{ClusterId: "c1", First: 2, Last: 3, Frames: 2, Hash: hash[:], KeptBy: "s3"})
	s.When(whole).ThenDone()
	s.When(control.RecordHealing{First: 3, Last: 3, Frames: 1, Hash: hash, KeptBy: "s3"}).ThenDone()
	s.When(control.RecordHealing{First: 4, Last: 9, Frames: 1, Hash: hash, KeptBy: "s3"}).ThenInvalid("last")
	s.When(control.RecordHealing{First: 3, Last: 2, Frames: 1, Hash: hash, KeptBy: "s3"}).ThenInvalid("last")
	s.When(control.RecordHealing{First: 2, Last: 3, Frames: 1, Hash: hash}).ThenInvalid("kept_by")
	if m.Control.HealedTo != 3 {
		t.Errorf("state is %+v", m.Control)
	}
}
