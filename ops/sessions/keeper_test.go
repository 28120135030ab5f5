package sessions_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

const ttl = 2 * time.Second

// leader says what the test says.
type leader struct {
	view   sequencer.View
	status sequencer.Status
}

func (l *leader) View() sequencer.View     { return l.view }
func (l *leader) Status() sequencer.Status { return l.status }

// story is a keeper at a time, in a mesh of the nodes n1 … with the sessions 1,
// 2, …
type story struct {
	t      *testing.T
	keeper *sessions.Keeper
	leader *leader
	model  *model.Model
	given  *commandtest.Scenario
	now    time.Duration
}

// tell begins a story in which this server has just gained authority.
func tell(t *testing.T, nodes ...string) *story {
	m := model.New()
	s := &story{t: t, model: m, given: commandtest.New(t, m), leader: &leader{}, now: time.Hour}
	for _, id := range nodes {
		secret := events.HashOf([]byte(id))
		s.given.Given(&eventsv1.SessionOpened{NodeId: id, TtlMs: uint32(ttl / time.Millisecond), SecretHash: secret[:]})
	}
	s.leader.view.Model = m
	clock := func() sequencer.Now { return sequencer.Now{Wall: int64(s.now), Boot: int64(s.now)} }
	s.keeper = sessions.NewKeeper(s.leader, clock, slog.New(slog.NewTextHandler(io.Discard, nil)))
	s.gains()
	return s
}

// gains is authority for a long while, gained anew.
func (s *story) gains() {
	s.takes()
	s.step(nil)
}

func (s *story) takes() {
	s.leader.status.Leading = true
	s.leader.status.AuthorityUntil = int64(s.now + time.Hour)
	s.leader.status.AuthorityGained++
}

func (s *story) lapses() { s.leader.status.AuthorityUntil = int64(s.now) }

// step steps the controller and wants these nodes' sessions to be closed.
func (s *story) step(want []string) {
	s.t.Helper()
	cmds, _ := s.keeper.Step(s.leader.view, sequencer.Now{Wall: int64(s.now), Boot: int64(s.now)})
	var got []string
	for _, c := range cmds {
		got = append(got, c.(membership.CloseSession).NodeID)
	}
	if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
		s.t.Errorf("at %s it closes %v, want %v", s.now-time.Hour, got, want)
	}
}

func (s *story) beat(id string, session events.Position, secret string) error {
	_, err := s.keeper.Beat(context.Background(), sessions.Heartbeat{NodeID: id, Session: session, Secret: events.HashOf([]byte(secret))})
	return err
}

// beats wants the heartbeat of n1's session to be answered, or not for this
// reason.
func (s *story) beats(want error) {
	s.t.Helper()
	if err := s.beat("n1", 1, "n1"); !errors.Is(err, want) || (want == nil) != (err == nil) {
		s.t.Errorf("at %s the heartbeat is answered with %v, want %v", s.now-time.Hour, err, want)
	}
}

func (s *story) passes(d time.Duration) { s.now += d }

// close1 is what the controller asked for when n1 fell silent.
func close1() membership.CloseSession {
	return membership.CloseSession{NodeID: "n1", Session: 1, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED}
}

func TestBeatNeedsAuthority(t *testing.T) {
	s := tell(t, "n1")
	s.beats(nil)
	s.lapses()
	s.beats(sessions.ErrNoAuthority)
	s.gains()
	s.leader.status.Leading = false
	s.beats(sessions.ErrNoAuthority)
}

func TestBeatNeedsSessionAndSecret(t *testing.T) {
	s := tell(t, "n1", "n2")
	for name, err := range map[string]error{
		"another secret":  s.beat("n1", 1, "n2"),
		"another session": s.beat("n1", 2, "n1"),
		"no session":      s.beat("n1", 0, "n1"),
		"another node":    s.beat("n3", 1, "n1"),
	} {
		var rejected *commands.Rejected
		if !errors.As(err, &rejected) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTimer: a session is closed TTL after its last answered heartbeat, and TTL
// + 1 s after authority was gained anew, whichever is later.
func TestTimer(t *testing.T) {
	s := tell(t, "n1")
	s.passes(ttl + sessions.Grace - 1)
	s.step(nil)
	s.beats(nil)
	s.passes(ttl - 1)
	s.step(nil)
	s.passes(1)
	s.step([]string{"n1"})
}

func TestTimerStartsAnew(t *testing.T) {
	s := tell(t, "n1")
	s.passes(2 * time.Second)
	s.lapses()
	s.passes(ttl)
	s.gains()
	s.beats(nil) // an answer makes it end no sooner
	s.passes(ttl)
	s.step(nil)
	s.passes(sessions.Grace)
	s.step([]string{"n1"})
}

// TestExpiryIsSerialized: from the mark on no heartbeat is answered, over a lapse
// of authority too, until the close was definitely refused.
func TestExpiryIsSerialized(t *testing.T) {
	s := tell(t, "n1")
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.beats(sessions.ErrExpiring)
	s.step(nil) // asked for once
	s.lapses()
	s.passes(time.Second)
	s.gains()
	s.beats(sessions.ErrExpiring)
	s.keeper.Answered(close1(), nil) // stored; the view that shows it is still to come
	s.beats(sessions.ErrExpiring)
	s.keeper.Answered(close1(), sequencer.ErrNotLeader)
	s.beats(nil)
	s.passes(ttl + sessions.Grace - 1)
	s.step(nil)
	s.passes(1)
	s.step([]string{"n1"})
}

// TestLateAnswerOfClose: the answer to the close of an earlier session says
// nothing about the present one.
func TestLateAnswerOfClose(t *testing.T) {
	s := tell(t, "n1")
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	secret := events.HashOf([]byte("n1"))
	s.given.Given(&eventsv1.SessionClosed{NodeId: "n1", Session: 1},
		&eventsv1.SessionOpened{NodeId: "n1", TtlMs: uint32(ttl / time.Millisecond), SecretHash: secret[:]}) // 3
	s.step(nil)
	s.passes(ttl)
	s.step([]string{"n1"})
	s.keeper.Answered(close1(), sequencer.ErrNotLeader)
	if err := s.beat("n1", 3, "n1"); !errors.Is(err, sessions.ErrExpiring) {
		t.Errorf("session 3 is answered with %v", err)
	}
}

// TestBrakeAgain: the brake holds once for each storm, not once for ever. Two
// storms end because all are heard again; the third does not.
func TestBrakeAgain(t *testing.T) {
	nodes := []string{"n1", "n2", "n3", "n4", "n5", "n6"}
	s := tell(t, nodes...)
	heard := func(quarters int) {
		for range quarters {
			for i, id := range nodes {
				if err := s.beat(id, events.Position(i+1), id); err != nil {
					t.Fatalf("at %s the heartbeat of %s: %v", s.now-time.Hour, id, err)
				}
			}
			s.step(nil)
			s.passes(ttl / 4)
		}
	}
	heard(8)
	for range 2 {
		s.passes(ttl)
		s.step(nil)  // all are due
		heard(4 * 4) // the hold is over, and nobody was closed
	}
	s.passes(ttl)
	s.step(nil)
	s.passes(3 * ttl)
	s.step(nodes) // silent to its end
}

// TestBeatStartsAllTimers: the first heartbeat that is answered after authority
// was gained anew starts every timer again, not only its own.
func TestBeatStartsAllTimers(t *testing.T) {
	s := tell(t, "n1", "n2")
	s.passes(ttl)
	s.lapses()
	s.passes(10 * ttl)
	s.leader.status.AuthorityUntil = int64(s.now + time.Hour)
	s.leader.status.AuthorityGained++
	s.beats(nil)
	s.passes(ttl + sessions.Grace - 1)
	s.beats(nil)
	s.step(nil)
	s.passes(1)
	s.step([]string{"n2"})
}

// granted is another grant of the control scope, under which this server leads.
func (s *story) granted() {
	s.given.Given(&eventsv1.LeadershipGranted{Scope: events.GlobalScope, NodeId: "s1"})
	s.gains()
}

// TestOpenOutcome: a close whose outcome is open is asked for again, and nothing
// is answered before the log has told.
func TestOpenOutcome(t *testing.T) {
	s := tell(t, "n1")
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.step(nil) // no answer yet
	s.keeper.Answered(close1(), sequencer.ErrOutcomeUnknown)
	s.beats(sessions.ErrExpiring)
	s.step([]string{"n1"})
	for _, err := range []error{sequencer.ErrOverloaded, sequencer.ErrNotLeader, context.Canceled} {
		s.keeper.Answered(close1(), err) // the second was not tried; the first may be stored
		s.beats(sessions.ErrExpiring)
		s.step([]string{"n1"})
	}
	s.keeper.Answered(close1(), nil) // it was not stored; now it is
	s.given.Given(&eventsv1.SessionClosed{NodeId: "n1", Session: 1})
	s.step(nil)
	var rejected *commands.Rejected
	if err := s.beat("n1", 1, "n1"); !errors.As(err, &rejected) {
		t.Errorf("the closed session is answered with %v", err)
	}
}

// TestOpenOutcomeIsRejected: a rejection comes after everything that was queued
// before, so it settles an earlier close too.
func TestOpenOutcomeIsRejected(t *testing.T) {
	s := tell(t, "n1")
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.keeper.Answered(close1(), sequencer.ErrOutcomeUnknown)
	s.step([]string{"n1"})
	s.keeper.Answered(close1(), commands.Refuse("some_rule", "no"))
	s.beats(nil)
	s.step(nil)
}

// TestMarkEndsWithItsGrant: under another grant the frame that could hold the
// close is resolved, and the model tells. The node may have been answered by
// another leader in between: its timer is full.
func TestMarkEndsWithItsGrant(t *testing.T) {
	s := tell(t, "n1")
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.keeper.Answered(close1(), sequencer.ErrOutcomeUnknown)
	s.lapses()
	s.takes() // the same grant
	s.beats(sessions.ErrExpiring)
	s.granted()
	s.keeper.Answered(close1(), sequencer.ErrOutcomeUnknown) // late
	s.beats(nil)
	s.passes(ttl + sessions.Grace - 1)
	s.step(nil)
	s.passes(1)
	s.step([]string{"n1"})
}

// TestNewTermHasHeardNothing: what a node said to an earlier grant says nothing of
// what it holds now. It is asked for all of it again.
func TestNewTermHasHeardNothing(t *testing.T) {
	s := tell(t, "n1")
	beat := func(held []sessions.Held, full bool) sessions.Answer {
		digest := sessions.Digest(held)
		hb := sessions.Heartbeat{NodeID: "n1", Session: 1, Secret: events.HashOf([]byte("n1")), Digest: digest[:], Held: held, Full: full}
		a, err := s.keeper.Beat(context.Background(), hb)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	heard := func() (n int, ok bool) {
		ok = s.keeper.EachHeld("n1", 1, func(string, uint32, events.Position) { n++ })
		return n, ok
	}
	if _, ok := heard(); ok {
		t.Error("heard before it said anything")
	}
	held := []sessions.Held{{Namespace: "demo", Shard: 3, Fence: 9, State: sessions.Owning}}
	if a := beat(held, false); !a.WantFull {
		t.Error("it is not asked for all")
	}
	beat(held, true)
	if n, ok := heard(); n != 1 || !ok {
		t.Errorf("it holds %d, heard %t", n, ok)
	}
	s.given.Given(&eventsv1.LeadershipGranted{Scope: events.GlobalScope, NodeId: "s1"})
	s.gains()
	if _, ok := heard(); ok {
		t.Error("under a new grant it is heard by its old word")
	}
	if a := beat(held, false); !a.WantFull {
		t.Error("it is not asked again")
	}
	beat(held, true)
	if n, ok := heard(); n != 1 || !ok {
		t.Errorf("it holds %d, heard %t", n, ok)
	}
	s.lapses()
	if _, ok := heard(); ok {
		t.Error("without authority it is heard")
	}
}
