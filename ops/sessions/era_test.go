package sessions_test

import (
	"errors"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// steps steps the controller, and returns what it asks for and after how long it
// wants to be asked again.
func (s *story) steps() ([]commands.Command, time.Duration) {
	return s.keeper.Step(s.leader.view, sequencer.Now{Wall: int64(s.now), Boot: int64(s.now)})
}

// restores opens a new era, in which leases of before may last as long.
func (s *story) restores(lease time.Duration) {
	at := s.given.Position()
	s.given.Given(&eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: uint64(at), Next: uint64(at) + 1, SettleMs: uint32(lease / time.Millisecond)})
}

func (s *story) wantSettled(want bool) {
	s.t.Helper()
	cmds, _ := s.steps()
	got := len(cmds) == 1 && cmds[0] == commands.Command(control.SettleEra{Era: 2})
	if got != want || !want && len(cmds) != 0 {
		s.t.Errorf("at %s it asks for %v", s.now-time.Hour, cmds)
	}
}

// TestSessionsOfBeforeRunOut: after a restore none is answered, definitely, and
// all close at once: the brake, which waits for them, has nothing to wait for.
// The era is settled when the longest lease of before is over, and not sooner.
func TestSessionsOfBeforeRunOut(t *testing.T) {
	nodes := []string{"n1", "n2", "n3", "n4", "n5"}
	s := tell(t, nodes...)
	s.restores(4 * ttl)
	var rejected *commands.Rejected
	if err := s.beat("n1", 1, "n1"); !errors.As(err, &rejected) || rejected.Reason != "session_not_found" {
		t.Errorf("a session of before is answered with %v", err)
	}
	s.step(nil)
	s.passes(ttl + sessions.Grace)
	s.step(nodes)
	for i, id := range nodes {
		s.given.Given(&eventsv1.SessionClosed{NodeId: id, Session: uint64(i + 1)})
	}
	s.wantSettled(false)
	s.passes(3*ttl - 1)
	s.wantSettled(false)
	s.passes(1)
	s.wantSettled(true)
	s.given.Given(&eventsv1.EraSettled{Era: 2})
	s.wantSettled(false)
	secret := events.HashOf([]byte("n1"))
	s.given.Given(&eventsv1.SessionOpened{NodeId: "n1", TtlMs: uint32(ttl / time.Millisecond), SecretHash: secret[:]})
	if err := s.beat("n1", s.given.Position(), "n1"); err != nil {
		t.Errorf("a session of the new era is answered with %v", err)
	}
}

// TestSettlingStartsAnew: a server that gains authority anew waits in full, also
// when the log knows of no session.
func TestSettlingStartsAnew(t *testing.T) {
	s := tell(t)
	s.given.Given(&eventsv1.PolicySet{Kind: "session", Name: "default", Version: 1,
		Spec: &eventsv1.PolicySet_Session{Session: &eventsv1.SessionPolicy{TtlMs: uint32(ttl / time.Millisecond)}}})
	s.restores(0) // it did not know: the policy holds
	s.step(nil)
	s.passes(ttl)
	s.step(nil)
	s.lapses()
	s.gains()
	s.passes(ttl + sessions.Grace - 1)
	s.wantSettled(false)
	s.passes(1)
	s.wantSettled(true)
}

// TestNothingExpiresOnASealedLog: however long the seal holds; when it is taken
// away every timer starts again.
func TestNothingExpiresOnASealedLog(t *testing.T) {
	s := tell(t, "n1", "n2")
	s.given.Given(&eventsv1.LogSealed{})
	s.passes(100 * ttl)
	s.step(nil)
	s.given.Given(&eventsv1.LogResumed{Sealed: 3})
	s.step(nil)
	s.passes(ttl + sessions.Grace - 1)
	s.step(nil)
	s.passes(1)
	s.step([]string{"n1", "n2"})
}

// TestCloseRefusedBySeal: a close that the seal overtook is definitely refused,
// and the session lives.
func TestCloseRefusedBySeal(t *testing.T) {
	s := tell(t, "n1")
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.given.Given(&eventsv1.LogSealed{})
	s.keeper.Answered(close1(), commands.Refuse("log_sealed", "no"))
	s.beats(nil)
}

// TestWhoAnswersOnASealedLog: the leader that sealed it, and none that began to
// lead it later: the log may go on elsewhere by then (S1).
func TestWhoAnswersOnASealedLog(t *testing.T) {
	s := tell(t, "n1")
	s.leader.status.Term = 1
	s.given.Given(&eventsv1.LogSealed{}) // 2
	s.beats(nil)
	s.given.Given(&eventsv1.LeadershipGranted{Scope: events.GlobalScope, NodeId: "s1"}) // 3
	s.leader.status.Term = 3
	s.gains()
	s.beats(sessions.ErrNoAuthority)
	s.given.Given(&eventsv1.LogResumed{Sealed: 2})
	s.beats(nil)
}
