package shard_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func reading(as ...*eventsv1.ShardAssignment) *eventsv1.ReadersAssigned {
	return &eventsv1.ReadersAssigned{Namespace: ns, Assignments: as, Cause: placement}
}

func unreading(cause eventsv1.ShardCause, as ...*eventsv1.ShardAssignment) *eventsv1.ReadersReleased {
	return &eventsv1.ReadersReleased{Namespace: ns, Releases: as, Cause: cause}
}

func read(assign, release []shard.Target) shard.PlaceReaders {
	return shard.PlaceReaders{Namespace: ns, Assign: assign, Release: release}
}

func one(t shard.Target) []shard.Target { return []shard.Target{t} }

func wantReaders(t *testing.T, m *model.Model, id uint32, nodes ...string) {
	t.Helper()
	if diff := cmp.Diff(nodes, at(t, m, id).Readers.Nodes()); diff != "" {
		t.Errorf("readers of shard %d: %s", id, diff)
	}
}

// TestPlaceReaders: beside the owner, as many as the namespace gives, exchanged
// in one decision, with the end of a session without a word.
func TestPlaceReaders(t *testing.T) {
	s, m := owned(t)
	s.When(read(one(target("n2", 4, 0)), nil)).ThenRejected("too_many_readers")
	single := spec(8)
	single.Readers = 1
	s.Given(proto.Message(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: single}))
	s.When(read([]shard.Target{target("n2", 4, 1, 0), target("n3", 6, 4)}, nil)).Then(reading(of("n2", 4, 0, 1), of("n3", 6, 4)))
	wantReaders(t, m, 0, "n2")
	for reason, c := range map[string]shard.PlaceReaders{
		"already_owner":     read(one(target("n1", 2, 2)), nil),
		"already_reader":    read(one(target("n2", 4, 0)), nil),
		"too_many_readers":  read(one(target("n3", 6, 0)), nil),
		"session_not_found": read(one(target("n3", 4, 2)), nil),
		"node_not_eligible": read(one(target("g1", 8, 2)), nil),
		"not_reader":        read(nil, one(target("n2", 3, 0))),
		"too_large":         read(one(target("n2", 4, upTo(2001)...)), nil),
	} {
		s.When(c).ThenRejected(reason)
	}
	s.When(read(nil, nil)).ThenNothing()
	s.When(read(one(target("n3", 6, 0)), one(target("n2", 4, 0)))).Then(
		unreading(balance, of("n2", 4, 0)), reading(of("n3", 6, 0)))
	wantReaders(t, m, 0, "n3")

	// A reader that becomes the owner reads no more.
	s.Given(closed("n1", 2))
	wantReaders(t, m, 0, "n3")
	s.When(assign(target("n3", 6, 0), target("n2", 4, 1))).ThenDone()
	wantReaders(t, m, 0)
	wantReaders(t, m, 1)
	wantReaders(t, m, 4, "n3")
	version := at(t, m, 4).Version
	s.Given(closed("n3", 6))
	wantReaders(t, m, 4)
	if sh := at(t, m, 4); sh.Version != version+1 || sh.Owner != "n2" {
		t.Errorf("shard 4 is %+v", sh)
	}
	if n, _ := m.Shard.Namespace(ns); n.Read() || n.Reading("n3") != 0 {
		t.Error("readers are still counted")
	}
}

// TestReadersEnd: a pause keeps them, gives no new ones; a cordon lets them go as
// a drain; the namespace takes them along.
func TestReadersEnd(t *testing.T) {
	s, m := owned(t)
	two := spec(8)
	two.Readers = 2
	s.Given(proto.Message(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: two}), proto.Message(reading(of("n2", 4, 0, 1))))
	s.Given(proto.Message(&eventsv1.ShardsPaused{Namespace: ns, Shards: pack(0)}), proto.Message(&eventsv1.NodeCordoned{NodeId: "n2"}))
	s.When(read(one(target("n3", 6, 0)), nil)).ThenRejected("shard_paused")
	s.When(read(nil, one(target("n2", 4, 0)))).Then(unreading(eventsv1.ShardCause_SHARD_CAUSE_DRAIN, of("n2", 4, 0)))
	s.When(shard.Delete{Namespace: ns}).ThenDone()
	wantReaders(t, m, 1)
	s.When(read(one(target("n3", 6, 1)), nil)).ThenRejected("namespace_deleting")
}

func TestReadersText(t *testing.T) {
	rs := shard.Readers("").With("n2", 7).With("n10", 5).With("n1", 9).With("n2", 8)
	if diff := cmp.Diff(shard.Readers("n1 9\nn10 5\nn2 8\n"), rs); diff != "" {
		t.Error(diff)
	}
	if rs.Session("n1") != 9 || rs.Session("n") != 0 || rs.Len() != 3 {
		t.Errorf("sessions of %q", rs)
	}
	if got := rs.Without("n1").Without("n"); got != "n10 5\nn2 8\n" {
		t.Errorf("without n1 %q", got)
	}
	rs.Each(func(_ string, s events.Position) {
		if s == 0 {
			t.Error("a session of 0")
		}
	})
}

// TestRebalanceForRules says so on the log.
func TestRebalanceForRules(t *testing.T) {
	s, m := owned(t)
	s.When(shard.Rebalance{Namespace: ns, Constraint: true, Moves: []shard.Relocation{{From: "n1", To: "n3", Shards: []uint32{0}}}}).ThenDone()
	if sh := at(t, m, 0); sh.MoveCause != eventsv1.ShardCause_SHARD_CAUSE_CONSTRAINT {
		t.Errorf("cause %s", sh.MoveCause)
	}
}
