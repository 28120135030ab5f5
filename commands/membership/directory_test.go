package membership_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

const forced = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED

func shut(session uint64, cause eventsv1.SessionCloseCause) *eventsv1.SessionClosed {
	return &eventsv1.SessionClosed{NodeId: "n1", Session: session, Cause: cause}
}

// TestSessionClosing: a session that is going to be closed is so once, closes for
// what was said, and leaves nothing behind for the next one.
func TestSessionClosing(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	s.When(membership.CloseSession{NodeID: "n1", Session: 2, Cause: forced}).ThenRejected("session_not_closing")
	if evs := m.Membership.BeginClose("n1", 1, forced); evs != nil {
		t.Errorf("an older session begins to close: %v", evs)
	}
	if evs := m.Membership.BeginClose("n1", 2, forced); len(evs) != 1 {
		t.Fatalf("%d events begin a close, want 1", len(evs))
	}
	s.Given(&eventsv1.SessionClosing{NodeId: "n1", Session: 1, Cause: forced}) // of an older session: nothing
	if n, _ := m.Membership.Node("n1"); n.Closing != 0 {
		t.Errorf("the present session closes for an older one")
	}
	s.Given(&eventsv1.SessionClosing{NodeId: "n1", Session: 2, Cause: forced})
	if evs := m.Membership.BeginClose("n1", 2, forced); evs != nil {
		t.Errorf("a session begins to close twice: %v", evs)
	}
	if m.SessionLives("n1", 2) {
		t.Error("a session that is going to be closed counts as one that may win")
	}
	// A controller that has not seen it yet asks for an expiry.
	s.When(membership.CloseSession{NodeID: "n1", Session: 2, Cause: expired}).Then(shut(2, forced))
	d, _ := worker("n1")
	s.When(open(d, "a", 1)).ThenDone()
	if n, _ := m.Membership.Node("n1"); n.Closing != 0 || !m.SessionLives("n1", s.Position()) {
		t.Errorf("the next session is %+v", n)
	}
}

// TestHeir: a later session of the same data directory, and none between of another.
func TestHeir(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	d, _ := worker("n1")
	heir := func(of, want events.Position) {
		t.Helper()
		if got := m.Heir("n1", of); got != want {
			t.Errorf("the heir of session %d is %d, want %d", of, got, want)
		}
	}
	heir(2, 0)
	s.Given(shut(2, expired))
	heir(2, 0)
	s.When(open(d, "a", 2)).ThenDone()
	second := s.Position()
	heir(2, second)
	s.Given(&eventsv1.SessionClosing{NodeId: "n1", Session: uint64(second), Cause: forced})
	heir(2, 0)
	s.Given(shut(uint64(second), forced))
	s.When(open(d, "b", 1)).ThenDone()
	third := s.Position()
	heir(2, 0)
	heir(second, 0)
	s.Given(shut(uint64(third), expired))
	s.When(open(d, "a", 3)).ThenDone()
	heir(2, 0)
	heir(third, 0)
	// A secret that is missing shows nothing.
	s.Given(shut(uint64(s.Position()), expired), &eventsv1.SessionOpened{NodeId: "n1", TtlMs: 5000})
	bare := s.Position()
	s.Given(shut(uint64(bare), expired), &eventsv1.SessionOpened{NodeId: "n1", TtlMs: 5000})
	heir(bare, 0)
}

// TestHeirOfTheEra: after a restore a session of before inherits nothing.
func TestHeirOfTheEra(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	s.Given(shut(2, expired))
	d, _ := worker("n1")
	s.When(open(d, "a", 2)).ThenDone()
	s.Given(&eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: uint64(s.Position()), Next: uint64(s.Position()) + 1})
	if got := m.Heir("n1", 2); got != 0 {
		t.Errorf("the heir of session 2 is %d, of before the restore", got)
	}
}

// TestDeparted: a node that left has released what its earlier sessions of the
// directory owned.
func TestDeparted(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	s.Given(shut(2, expired))
	d, _ := worker("n1")
	s.When(open(d, "a", 2)).ThenDone()
	if m.Membership.Departed("n1", 2) {
		t.Error("it is there")
	}
	s.When(membership.Leave{NodeID: "n1", Session: s.Position(), SecretHash: secret("a")}).ThenDone()
	if !m.Membership.Departed("n1", 2) || m.Membership.Departed("n1", 1) || m.Membership.Departed("n2", 2) {
		t.Error("want session 2 of n1 departed, and no other")
	}
}
