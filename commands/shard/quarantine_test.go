package shard_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

const expired = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED

func quarantined(node string, deaths uint32, ids ...uint32) *eventsv1.ShardsQuarantined {
	return &eventsv1.ShardsQuarantined{Namespace: ns, Shards: pack(ids...), NodeId: node, Deaths: deaths}
}

func dies(node string, session events.Position) membership.CloseSession {
	return membership.CloseSession{NodeID: node, Session: session, Cause: expired}
}

// onceDead is mesh with shards that n1 died of a minute after it took them.
func onceDead(t *testing.T, ids ...uint32) (*commandtest.Scenario, *model.Model) {
	s, m := mesh(t)
	s.When(assign(target("n1", 2, ids...))).ThenDone()
	s.After(time.Minute).When(dies("n1", 2)).Then(closed("n1", 2))
	return s, m
}

// TestHandoverBeginsATenure: who is handed a shard has had it since then, however long
// the owner before had it: a death soon after counts, and who gave it away after the
// window had survived it.
func TestHandoverBeginsATenure(t *testing.T) {
	s, m := onceDead(t, 3, 4)
	s.After(time.Minute).When(assign(target("n2", 4, 3, 4))).ThenDone()
	fence := s.Position()
	hand := func(id uint32) {
		s.When(shard.Move{Namespace: ns, Shards: []uint32{id}, To: "n3"}).ThenDone()
		s.When(prepared("n3", 6, fence, id)).ThenDone()
		s.When(release("n2", 4, fence, id)).ThenDone()
	}
	s.After(9 * time.Minute)
	hand(3)
	s.After(2 * time.Minute)
	hand(4)
	for id, deaths := range map[uint32]uint8{3: 1, 4: 0} {
		if sh := at(t, m, id); sh.Owner != "n3" || sh.Deaths != deaths || m.Time-sh.AssignedAt > int64(2*time.Minute) {
			t.Errorf("handed over, shard %d: %+v", id, sh)
		}
	}
	s.After(time.Minute).When(dies("n3", 6)).Then(closed("n3", 6), quarantined("n3", 2, 3))
	if sh := at(t, m, 4); sh.Deaths != 1 {
		t.Errorf("after the death of n3: %+v", sh)
	}
}

// TestQuarantine: the second owner in a row that dies of a shard takes it out of
// service, in the decision of its close; a release puts it back, with no death
// against it.
func TestQuarantine(t *testing.T) {
	s, m := onceDead(t, 3)
	if sh := at(t, m, 3); sh.Deaths != 1 || sh.Quarantined() || sh.LastOwner != "n1" {
		t.Errorf("after one death: %+v", sh)
	}
	s.After(time.Hour).When(assign(target("n2", 4, 3, 4))).ThenDone()
	s.After(10*time.Minute).When(dies("n2", 4)).Then(closed("n2", 4), quarantined("n2", 2, 3))
	if sh := at(t, m, 3); !sh.Quarantined() || sh.Owner != "" || sh.Deaths != 2 {
		t.Errorf("after two deaths: %+v", sh)
	}
	if sh := at(t, m, 4); sh.Quarantined() || sh.Deaths != 1 {
		t.Errorf("the other shard: %+v", sh)
	}
	if n, _ := m.Shard.Namespace(ns); n.Quarantined() != 1 || n.Unowned() != 8 {
		t.Errorf("%d are quarantined, %d unowned", n.Quarantined(), n.Unowned())
	}
	s.When(assign(target("n3", 6, 3))).ThenRejected("shard_quarantined")
	s.When(shard.Move{Namespace: ns, Shards: []uint32{3}, To: "n3"}).ThenRejected("shard_quarantined")
	s.When(shard.Pause{Namespace: ns, Shards: []uint32{3}}).ThenRejected("shard_quarantined")
	s.When(shard.Unquarantine{Namespace: ns, Shards: []uint32{4}}).ThenRejected("shard_not_quarantined")
	s.When(shard.Unquarantine{Namespace: ns, Shards: []uint32{3}}).Then(&eventsv1.ShardsUnquarantined{Namespace: ns, Shards: pack(3)})
	s.When(assign(target("n3", 6, 3))).ThenDone()
	s.After(time.Minute).When(dies("n3", 6)).Then(closed("n3", 6)) // the count begins anew
}

// TestQuarantineOfRestarts: a process that comes again has died, and the position
// of its new session stays that of the decision's last event.
func TestQuarantineOfRestarts(t *testing.T) {
	s, m := onceDead(t, 3)
	s.When(assign(target("n2", 4, 3))).ThenDone()
	again := membership.OpenSession{Node: membership.Descriptor{NodeID: "n2", Role: "worker", Weight: 1}, SecretHash: events.HashOf([]byte("n2")), Incarnation: 2}
	s.When(again).Then(
		&eventsv1.SessionClosed{NodeId: "n2", Session: 4, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED},
		quarantined("n2", 2, 3),
		&eventsv1.SessionOpened{NodeId: "n2", TtlMs: 5000, SecretHash: again.SecretHash[:], Incarnation: 2},
	)
	if n, _ := m.Membership.Node("n2"); n.Session != s.Position() {
		t.Errorf("session is %d, the decision ends at %d", n.Session, s.Position())
	}
}

// TestSurvivorClearsTheCount: an owner that outlives the window, however its
// tenure ends, has shown that the shard can be lived with.
func TestSurvivorClearsTheCount(t *testing.T) {
	const over = 10*time.Minute + 1
	ends := map[string]func(s *commandtest.Scenario){
		"death": func(s *commandtest.Scenario) { s.When(dies("n2", 4)).Then(closed("n2", 4)) },
		"leave": func(s *commandtest.Scenario) {
			s.When(membership.Leave{NodeID: "n2", Session: 4, SecretHash: events.HashOf([]byte("n2"))}).ThenDone()
		},
		"release": func(s *commandtest.Scenario) { s.When(release("n2", 4, s.Position(), 3)).ThenDone() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s, m := onceDead(t, 3)
			s.When(assign(target("n2", 4, 3))).ThenDone()
			end(s.After(over))
			if sh := at(t, m, 3); sh.Deaths != 0 {
				t.Errorf("deaths after a survivor: %+v", sh)
			}
			s.When(assign(target("n3", 6, 3))).ThenDone()
			s.After(time.Minute).When(dies("n3", 6)).Then(closed("n3", 6))
		})
	}
}

// TestLeavingIsNoDeath: neither counts nor clears, within the window.
func TestLeavingIsNoDeath(t *testing.T) {
	s, m := onceDead(t, 3)
	s.When(assign(target("n2", 4, 3))).ThenDone()
	s.When(membership.Leave{NodeID: "n2", Session: 4, SecretHash: events.HashOf([]byte("n2"))}).ThenDone()
	if sh := at(t, m, 3); sh.Deaths != 1 || sh.Quarantined() {
		t.Errorf("after a leave: %+v", sh)
	}
	s.When(assign(target("n3", 6, 3))).ThenDone()
	s.After(time.Minute).When(dies("n3", 6)).Then(closed("n3", 6), quarantined("n3", 2, 3))
}

// TestTooManyAtOnce: a death that would take more shards out of service than the
// policy allows singles out none. The counts stay, so that a later death may.
func TestTooManyAtOnce(t *testing.T) {
	s, m := onceDead(t, 0, 1, 2, 3)
	s.When(assign(target("n2", 4, 0, 1, 2, 3))).ThenDone()
	s.After(time.Minute).When(dies("n2", 4)).Then(closed("n2", 4))
	if sh := at(t, m, 0); sh.Deaths != 2 || sh.Quarantined() {
		t.Errorf("after two deaths with four shards: %+v", sh)
	}
	s.When(assign(target("n3", 6, 0, 1, 2))).ThenDone()
	s.After(time.Minute).When(dies("n3", 6)).Then(closed("n3", 6), quarantined("n3", 3, 0, 1, 2))
}

// TestQuarantineNot: what is paused, being deleted, or under a policy that is off
// is left alone; what stricter policies ask for is done.
func TestQuarantineNot(t *testing.T) {
	s, _ := onceDead(t, 3)
	s.When(assign(target("n2", 4, 3))).ThenDone()
	s.When(shard.Pause{Namespace: ns, Shards: []uint32{3}}).ThenDone()
	s.After(time.Minute).When(dies("n2", 4)).Then(closed("n2", 4))

	s, _ = onceDead(t, 3)
	s.When(assign(target("n2", 4, 3))).ThenDone()
	s.When(shard.Delete{Namespace: ns}).ThenDone()
	s.After(time.Minute).When(dies("n2", 4)).Then(closed("n2", 4))

	s, _ = onceDead(t, 3)
	off := true
	s.When(policy.SetQuarantine{Disabled: &off}).ThenDone()
	s.When(assign(target("n2", 4, 3))).ThenDone()
	s.After(time.Minute).When(dies("n2", 4)).Then(closed("n2", 4))

	s, _ = mesh(t)
	one, short := uint32(1), 3*time.Second
	s.When(policy.SetQuarantine{Deaths: &one, Window: &short}).ThenDone()
	s.When(assign(target("n1", 2, 3))).ThenDone()
	s.After(short).When(dies("n1", 2)).Then(closed("n1", 2), quarantined("n1", 1, 3))
}

// TestSilentBefore: of nodes that die together, the one whose session ends last is
// given what the others had, and has not died of it. One that dies at once of what
// it is given has been heard shortly before.
func TestSilentBefore(t *testing.T) {
	const ttl = policy.DefaultSessionTTL
	s, m := onceDead(t, 3)
	s.When(assign(target("n2", 4, 3))).ThenDone()
	s.After(ttl/2 - 1).When(dies("n2", 4)).Then(closed("n2", 4))
	if sh := at(t, m, 3); sh.Deaths != 1 {
		t.Errorf("deaths: %+v", sh)
	}
	s.When(assign(target("n3", 6, 3))).ThenDone()
	s.After(ttl/2).When(dies("n3", 6)).Then(closed("n3", 6), quarantined("n3", 2, 3))
}

// TestQuarantineOfReaders: a shard out of service is not read either, and who read
// it is not given it back when it is released.
func TestQuarantineOfReaders(t *testing.T) {
	s, m := onceDead(t, 3)
	two := spec(8)
	two.Readers = 2
	s.Given(&eventsv1.NamespaceUpdated{Namespace: ns, Spec: two})
	s.When(assign(target("n2", 4, 3, 4))).ThenDone()
	s.When(read(one(target("n3", 6, 3, 4)), nil)).ThenDone()
	s.After(time.Minute).When(dies("n2", 4)).Then(closed("n2", 4), quarantined("n2", 2, 3))
	wantReaders(t, m, 3)
	wantReaders(t, m, 4, "n3")
	if n, _ := m.Shard.Namespace(ns); n.Reading("n3") != 1 {
		t.Errorf("n3 reads %d shards", n.Reading("n3"))
	}
	s.When(read(one(target("n3", 6, 3)), nil)).ThenRejected("shard_quarantined")
	s.When(shard.Unquarantine{Namespace: ns, Shards: []uint32{3}}).ThenDone()
	wantReaders(t, m, 3)
	s.When(read(one(target("n3", 6, 3)), nil)).ThenDone()
}
