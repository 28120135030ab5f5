package sessions_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

const (
	ride = 10 * time.Second

	leased = eventsv1.Ownership_OWNERSHIP_LEASE
	fenced = eventsv1.Ownership_OWNERSHIP_FENCED
	sticky = eventsv1.Ownership_OWNERSHIP_STICKY

	forced  = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED
	expired = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED
)

// owns brings a namespace into being, all shards of which a node's session owns.
func (s *story) owns(name string, mode eventsv1.Ownership, ttl time.Duration, node string, session uint64) {
	s.given.Given(
		&eventsv1.NamespaceCreated{Namespace: name, Spec: &eventsv1.NamespaceSpec{
			ShardCount: 2, StrategyId: "optimal", Ownership: mode, OwnershipTtlMs: uint32(ttl / time.Millisecond), EligibleRole: "worker",
		}},
		&eventsv1.ShardsAssigned{Namespace: name, Assignments: []*eventsv1.ShardAssignment{
			{NodeId: node, Session: session, Shards: events.PackShards([]uint32{0, 1})},
		}})
}

func (s *story) closes(node string, session uint64, cause eventsv1.SessionCloseCause) {
	s.given.Given(&eventsv1.SessionClosed{NodeId: node, Session: session, Cause: cause})
}

// ends wants the ownership of n1's session 1 to be ended in these namespaces, and
// nothing else to be asked for.
func (s *story) ends(names ...string) {
	s.t.Helper()
	var want []commands.Command
	if len(names) > 0 {
		want = []commands.Command{shard.ExpireOwnership{NodeID: "n1", Session: 1, Namespaces: names}}
	}
	got, _ := s.steps()
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("at %s (-want +got):\n%s", s.now-time.Hour, d)
	}
}

// TestOwnershipOutlivesItsSession: each namespace has its own time, from the last
// answered heartbeat; a sticky one has none.
func TestOwnershipOutlivesItsSession(t *testing.T) {
	s := tell(t, "n1")
	s.owns("a", leased, ride, "n1", 1)
	s.owns("b", fenced, 2*ride, "n1", 1)
	s.owns("c", sticky, 0, "n1", 1)
	s.owns("d", leased, ride, "n1", 1)
	s.passes(ttl)
	s.beats(nil)
	s.passes(ttl)
	s.step([]string{"n1"})
	s.closes("n1", 1, expired)
	s.ends()
	s.passes(ride - ttl - 1)
	s.ends()
	if _, next := s.steps(); next != 1 {
		t.Errorf("it asks again after %s, want the next nanosecond", next)
	}
	s.passes(1)
	s.ends("a", "d")
	s.given.Given(&eventsv1.OwnershipExpired{NodeId: "n1", Session: 1, Namespaces: []string{"a", "d"}})
	s.ends()
	s.passes(ride - 1)
	s.ends()
	s.passes(1)
	s.ends("b")
	s.given.Given(&eventsv1.OwnershipExpired{NodeId: "n1", Session: 1, Namespaces: []string{"b"}})
	s.passes(100 * time.Hour)
	s.takes()
	s.ends()
}

// TestOwnershipOverLeaders: whoever gains authority in the middle of a ride-through
// waits in full and a second more: the leader before may have answered later than
// this one knows.
func TestOwnershipOverLeaders(t *testing.T) {
	s := tell(t, "n1")
	s.owns("a", leased, ride, "n1", 1)
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.closes("n1", 1, expired)
	s.ends()
	s.passes(ride / 2)
	s.lapses()
	s.passes(time.Second)
	s.gains()
	s.passes(ride + sessions.Grace - 1)
	s.ends()
	s.passes(1)
	s.ends("a")

	// Another server that has never known the session.
	other := tell(t)
	other.given.Given(&eventsv1.SessionOpened{NodeId: "n1", TtlMs: 2000})
	other.owns("a", leased, ride, "n1", 1)
	other.closes("n1", 1, expired)
	other.step(nil)
	other.passes(ride + sessions.Grace - 1)
	other.ends()
	other.passes(1)
	other.ends("a")
}

// TestOwnershipOfAReopenedNode: the next session of the node, which is answered,
// makes the ownership of the ended one last no longer.
func TestOwnershipOfAReopenedNode(t *testing.T) {
	s := tell(t, "n1")
	s.owns("a", leased, ride, "n1", 1)
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.closes("n1", 1, expired)
	secret := events.HashOf([]byte("other disk"))
	s.given.Given(&eventsv1.SessionOpened{NodeId: "n1", TtlMs: uint32(ttl / time.Millisecond), SecretHash: secret[:]})
	next := s.given.Position()
	for range int(ride/time.Second) - 2 {
		s.ends()
		s.passes(time.Second)
		if err := s.beat("n1", next, "other disk"); err != nil {
			t.Fatal(err)
		}
	}
	s.ends("a")
}

// TestBrakeHoldsOwnerships: while most sessions are silent at once the control plane
// is the likelier patient, and what fell silent before them waits with them.
func TestBrakeHoldsOwnerships(t *testing.T) {
	nodes := []string{"n1", "n2", "n3", "n4", "n5", "n6"}
	s := tell(t, nodes...)
	s.owns("a", leased, ride, "n1", 1)
	s.passes(sessions.Grace)
	others := func() {
		for i, id := range nodes[1:] {
			if err := s.beat(id, events.Position(i+2), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 4 {
		s.passes(ttl / 2)
		others()
	}
	s.step([]string{"n1"})
	s.closes("n1", 1, expired)
	for s.now < time.Hour+sessions.Grace+ride-ttl+1 {
		s.passes(ttl / 2)
		others()
		s.ends()
	}
	s.passes(ttl * 3 / 4) // the others are silent, and not yet due
	s.now = max(s.now, time.Hour+sessions.Grace+ride)
	s.ends()
	others() // they come back
	for range 6 {
		s.ends()
		s.passes(ttl / 2)
		others()
	}
	s.ends("a")
}

// TestSealHoldsOwnerships: as it holds sessions; when it is taken away, their time
// starts again.
func TestSealHoldsOwnerships(t *testing.T) {
	s := tell(t, "n1")
	s.owns("a", leased, ride, "n1", 1)
	s.passes(ttl + sessions.Grace)
	s.step([]string{"n1"})
	s.closes("n1", 1, expired)
	s.ends()
	s.given.Given(&eventsv1.LogSealed{})
	s.passes(10 * ride)
	s.ends()
	s.takes()
	s.given.Given(&eventsv1.LogResumed{Sealed: uint64(s.given.Position())})
	s.ends()
	s.passes(ride + sessions.Grace - 1)
	s.ends()
	s.passes(1)
	s.ends("a")
}

// TestDepartedOwnsNothing: a leave of the node ends what its earlier session owned,
// whatever the mode, and waits for no time and no brake.
func TestDepartedOwnsNothing(t *testing.T) {
	s := tell(t, "n1")
	s.owns("a", leased, ride, "n1", 1)
	s.owns("b", sticky, 0, "n1", 1)
	s.closes("n1", 1, expired)
	s.ends()
	secret := events.HashOf([]byte("n1"))
	s.given.Given(&eventsv1.SessionOpened{NodeId: "n1", TtlMs: 2000, SecretHash: secret[:], Incarnation: 1})
	s.ends()
	s.given.When(membership.Leave{NodeID: "n1", Session: s.given.Position(), SecretHash: secret}).ThenDone()
	s.ends("a", "b")
}

// TestSettlingOutlastsOwnerships: in a lost tail a shard may have been given for as
// long as an ownership goes on.
func TestSettlingOutlastsOwnerships(t *testing.T) {
	s := tell(t)
	s.given.Given(&eventsv1.SessionOpened{NodeId: "n1", TtlMs: 2000}, &eventsv1.SessionClosed{NodeId: "n1", Session: 1, Cause: expired})
	s.given.Given(&eventsv1.NamespaceCreated{Namespace: "a", Spec: &eventsv1.NamespaceSpec{ShardCount: 2, Ownership: leased, OwnershipTtlMs: uint32(time.Minute / time.Millisecond)}},
		&eventsv1.NamespaceCreated{Namespace: "b", Spec: &eventsv1.NamespaceSpec{ShardCount: 2, Ownership: fenced, OwnershipTtlMs: uint32(time.Hour / time.Millisecond)}})
	s.restores(ttl)
	s.step(nil)
	s.passes(time.Minute + sessions.Grace - 1)
	s.wantSettled(false)
	s.passes(1)
	s.wantSettled(true)
}

// TestClosingSession: it is not answered, closes at its time and not before, for
// what was decided, and no brake holds it; what it says that it released is heard.
func TestClosingSession(t *testing.T) {
	nodes := []string{"n1", "n2", "n3", "n4", "n5", "n6"}
	s := tell(t, nodes...)
	s.passes(sessions.Grace)
	for i, id := range nodes {
		if err := s.beat(id, events.Position(i+1), id); err != nil {
			t.Fatal(err)
		}
	}
	s.given.Given(&eventsv1.SessionClosing{NodeId: "n1", Session: 1, Cause: forced})
	s.passes(ttl / 2)
	s.beats(sessions.ErrExpiring)
	held := []sessions.Held{{Namespace: "a", Shard: 1, Fence: 9, State: sessions.Released}}
	if _, err := s.keeper.Beat(t.Context(), sessions.Heartbeat{NodeID: "n1", Session: 1, Secret: events.HashOf([]byte("n1")), Full: true, Held: held}); err == nil {
		t.Error("a closing session is answered")
	}
	var heard []uint32
	s.keeper.EachReleased("n1", 1, func(_ string, id uint32, _ events.Position) { heard = append(heard, id) })
	if !slices.Equal(heard, []uint32{1}) {
		t.Errorf("heard the releases of %v", heard)
	}
	select {
	case <-s.keeper.News():
	default:
		t.Error("nobody is told of them")
	}
	s.passes(ttl/2 - 1)
	s.step(nil)
	s.passes(1) // the others are due as well, and the brake holds them
	got, _ := s.steps()
	want := []commands.Command{membership.CloseSession{NodeID: "n1", Session: 1, Cause: forced}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
