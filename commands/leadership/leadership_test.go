package leadership_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestReasons(t *testing.T) { commandtest.CheckReasons(t, "*.go", "../model/closed.go") }

// members joins n1, n2 and n3 with the sessions 2, 4 and 6; n9 never joins.
func members() []proto.Message {
	var given []proto.Message
	for _, id := range []string{"n1", "n2", "n3"} {
		h := events.HashOf([]byte(id))
		given = append(given,
			&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: "worker", Weight: 1}},
			&eventsv1.SessionOpened{NodeId: id, TtlMs: 5000, SecretHash: h[:]})
	}
	return given
}

const scope = "billing/report"

func granted(id string, session uint64) *eventsv1.LeadershipGranted {
	return &eventsv1.LeadershipGranted{Scope: scope, NodeId: id, Session: session}
}

func candidate(id string, session uint64, priority int32) *eventsv1.CandidacyDeclared {
	return &eventsv1.CandidacyDeclared{Scope: scope, NodeId: id, Session: session, Priority: priority}
}

func closed(id string, session uint64) *eventsv1.SessionClosed {
	return &eventsv1.SessionClosed{NodeId: id, Session: session, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED}
}

func elect() leadership.Elect { return leadership.Elect{Scopes: []string{scope}} }

func campaign(id string, session events.Position, priority int32) leadership.Campaign {
	return leadership.Campaign{Scope: scope, NodeID: id, Session: session, Priority: priority}
}

// wantLeader checks holder and term of the scope.
func wantLeader(t *testing.T, m *model.Model, holder string, term events.Position) {
	t.Helper()
	if sc, _ := m.Leadership.Scope(scope); sc.Holder != holder || sc.Term != term {
		t.Errorf("%s is led by %q, term %d; want %q, term %d", scope, sc.Holder, sc.Term, holder, term)
	}
}

func TestCampaign(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(members()...)
	// A scope that nobody leads or wants is granted at once; its term is the
	// position of the grant.
	c := campaign("n1", 2, 0)
	c.Labels = map[string]string{"az": "1"}
	s.When(c).Then(&eventsv1.LeadershipGranted{Scope: scope, NodeId: "n1", Session: 2, Labels: c.Labels})
	wantLeader(t, m, "n1", 7)
	s.When(c).ThenNothing()
	// One that is held makes a candidate, once, and again for another priority.
	s.When(campaign("n2", 4, 1)).Then(candidate("n2", 4, 1))
	s.When(campaign("n2", 4, 1)).ThenNothing()
	s.When(campaign("n2", 4, 5)).Then(candidate("n2", 4, 5))
	wantLeader(t, m, "n1", 7)
}

func TestCampaignRefused(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(members()...)
	s.When(campaign("n9", 2, 0)).ThenRejected("session_not_found")
	s.When(campaign("n1", 0, 0)).ThenRejected("session_not_found")
	s.When(campaign("n1", 4, 0)).ThenRejected("session_not_found")
	s.When(leadership.Campaign{Scope: events.GlobalScope, NodeID: "n1", Session: 2}).ThenRejected("scope_reserved")
	s.When(membership.Cordon{NodeID: "n1"}).ThenDone()
	s.When(campaign("n1", 2, 0)).ThenRejected("node_cordoned")
	s.When(membership.Drain{NodeID: "n1"}).ThenDone()
	s.When(campaign("n1", 2, 0)).ThenRejected("node_draining")
	s.When(membership.FinishDrain{NodeID: "n1", Session: 2}).ThenDone()
	s.When(campaign("n1", 2, 0)).ThenRejected("node_drained")
	s.Given(closed("n2", 4))
	s.When(campaign("n2", 4, 0)).ThenRejected("session_not_found")
	tooMany := campaign("n3", 6, 0)
	tooMany.Labels = map[string]string{"k": strings.Repeat("v", 257)}
	s.When(tooMany).ThenInvalid("labels")
}

func TestScopes(t *testing.T) {
	for name, kind := range map[string]string{
		"global-control": "global-control", "shard/demo/3": "shard", "billing": "custom", "a/b/c/d": "custom",
	} {
		if err := leadership.CheckScope(name); err != nil || leadership.KindOf(name) != kind {
			t.Errorf("%s is of kind %s (%v), want %s", name, leadership.KindOf(name), err, kind)
		}
	}
	s := commandtest.New(t, model.New()).Given(members()...)
	for _, name := range []string{"", "/", "a//b", "a/", "/a", "a b", "shard", "shard/demo", "shard/demo/1/2", strings.Repeat("a/", 128) + "a"} {
		s.When(leadership.Campaign{Scope: name, NodeID: "n1", Session: 2}).ThenInvalid("scope")
		s.When(leadership.Resign{Scope: name, NodeID: "n1"}).ThenInvalid("scope")
	}
}

func TestResign(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(members()...)
	s.When(leadership.Resign{Scope: scope, NodeID: "n1"}).ThenRejected("not_leader")
	s.When(campaign("n1", 2, 0)).ThenDone() // term 7
	for _, r := range []leadership.Resign{
		{Scope: scope, NodeID: "n2"},
		{Scope: scope, NodeID: "n1", Session: 4},
		{Scope: scope, NodeID: "n1", Term: 6}, // a stale leader ends nothing
		{Scope: scope, NodeID: "n1", Session: 2, Term: 8},
	} {
		s.When(r).ThenRejected("not_leader")
	}
	resigned := &eventsv1.LeadershipResigned{Scope: scope, NodeId: "n1", Term: 7}
	s.When(leadership.Resign{Scope: scope, NodeID: "n1", Session: 2, Term: 7}).Then(resigned)
	wantLeader(t, m, "", 0)
	s.When(leadership.Resign{Scope: scope, NodeID: "n1", Session: 2, Term: 7}).ThenRejected("not_leader")
	s.When(leadership.Resign{Scope: events.GlobalScope, NodeID: "s1"}).ThenRejected("scope_reserved")
	// The next term is higher (L2).
	s.When(campaign("n1", 2, 0)).ThenDone()
	wantLeader(t, m, "n1", 9)
}

func TestResignCandidacy(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(members()...)
	s.Given(granted("n1", 2), candidate("n2", 4, 0))
	s.When(leadership.Resign{Scope: scope, NodeID: "n2", Term: 7}).ThenRejected("not_leader")
	s.When(leadership.Resign{Scope: scope, NodeID: "n2"}).Then(&eventsv1.CandidacyWithdrawn{Scope: scope, NodeId: "n2", Session: 4})
	s.When(leadership.Resign{Scope: scope, NodeID: "n2"}).ThenRejected("not_leader")
}

func TestElect(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(members()...)
	s.When(elect()).ThenNothing()
	s.Given(granted("n1", 2), candidate("n2", 4, 1), candidate("n3", 6, 1)) // 7, 8, 9
	s.When(elect()).ThenNothing()                                           // L4
	s.Given(&eventsv1.LeadershipResigned{Scope: scope, NodeId: "n1", Term: 7})
	// Equal priorities go by the earlier declaration; naming a scope twice
	// grants it once (L1).
	s.When(leadership.Elect{Scopes: []string{scope, "other", scope}}).Then(granted("n2", 4))
	wantLeader(t, m, "n2", 11)
	s.When(elect()).ThenNothing()
	// Priority comes first.
	s.Given(candidate("n1", 2, 9), &eventsv1.LeadershipResigned{Scope: scope, NodeId: "n2", Term: 11})
	s.When(elect()).Then(granted("n1", 2))
	wantLeader(t, m, "n1", 14)
}

// TestElectPassesOver: a candidate that is cordoned waits; one declared again
// goes behind its equals.
func TestElectPassesOver(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(members()...)
	s.Given(granted("n1", 2), candidate("n2", 4, 5), candidate("n3", 6, 5), candidate("n2", 4, 5),
		&eventsv1.NodeCordoned{NodeId: "n3"}, &eventsv1.LeadershipResigned{Scope: scope, NodeId: "n1", Term: 7})
	s.When(elect()).Then(granted("n2", 4)) // position 13
	s.Given(&eventsv1.LeadershipResigned{Scope: scope, NodeId: "n2", Term: 13})
	s.When(elect()).ThenNothing()
	s.When(membership.Uncordon{NodeID: "n3"}).ThenDone()
	s.When(elect()).Then(granted("n3", 6))
}

// TestSessionEnds: what a session led or wanted ends with it, without an event
// of its own, and nothing of another session does.
func TestSessionEnds(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(members()...)
	s.Given(granted("n1", 2), candidate("n2", 4, 5), candidate("n3", 6, 1)) // 7, 8, 9
	s.Given(closed("n2", 4))
	wantLeader(t, m, "n1", 7)
	s.Given(closed("n1", 2))
	wantLeader(t, m, "", 0)
	s.When(elect()).Then(granted("n3", 6))
	wantLeader(t, m, "n3", 12)
	s.When(leadership.Resign{Scope: scope, NodeID: "n1", Term: 7}).ThenRejected("not_leader")
	s.Given(closed("n3", 6))
	if _, ok := m.Leadership.Scope(scope); ok {
		t.Error("a scope that nobody leads or wants is kept")
	}
}

// TestRestartEndsLeadership: a restart proven by the secret closes the old
// session, and with it its leaderships, before the new one begins.
func TestRestartEndsLeadership(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(members()...)
	s.When(campaign("n1", 2, 0)).ThenDone()
	d := membership.Descriptor{NodeID: "n1", Role: "worker", Weight: 1}
	s.When(membership.OpenSession{Node: d, SecretHash: events.HashOf([]byte("n1")), Incarnation: 1}).ThenDone() // 8 closed, 9 opened
	wantLeader(t, m, "", 0)
	s.When(campaign("n1", 2, 0)).ThenRejected("session_not_found")
	s.When(campaign("n1", 9, 0)).Then(granted("n1", 9))
}

func TestGrantControl(t *testing.T) {
	s := commandtest.New(t, model.New())
	grant := func(server string) *eventsv1.LeadershipGranted {
		return &eventsv1.LeadershipGranted{Scope: events.GlobalScope, NodeId: server}
	}
	s.When(leadership.GrantControl{Server: "s1"}).Then(grant("s1"))
	// Every grant is a new term, of the same server too: it is one authority.
	s.When(leadership.GrantControl{Server: "s1"}).
		Then(&eventsv1.LeadershipExpired{Scope: events.GlobalScope, NodeId: "s1", Term: 1}, grant("s1"))
	s.When(leadership.GrantControl{Server: "s2"}).
		Then(&eventsv1.LeadershipExpired{Scope: events.GlobalScope, NodeId: "s1", Term: 3}, grant("s2"))
	s.When(leadership.GrantControl{}).ThenRejected("invalid_field")
}
