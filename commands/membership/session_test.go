package membership_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestReasons(t *testing.T) { commandtest.CheckReasons(t) }

const (
	expired   = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED
	left      = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT
	restarted = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED
)

// worker is a descriptor as a command and as an event say it.
func worker(id string, change ...func(*membership.Descriptor)) (membership.Descriptor, *eventsv1.NodeDescriptor) {
	d := membership.Descriptor{NodeID: id, Role: "worker", ClusterID: "c1", Weight: 1}
	for _, c := range change {
		c(&d)
	}
	return d, &eventsv1.NodeDescriptor{NodeId: d.NodeID, Role: d.Role, ClusterId: d.ClusterID, Region: d.Region, Zone: d.Zone,
		Weight: d.Weight, Labels: d.Labels, MeshVersion: d.MeshVersion, Http3Support: d.HTTP3Support}
}

func labels(kv ...string) func(*membership.Descriptor) {
	return func(d *membership.Descriptor) {
		d.Labels = map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			d.Labels[kv[i]] = kv[i+1]
		}
	}
}

func secret(of string) events.Hash { return events.HashOf([]byte(of)) }

func open(d membership.Descriptor, of string, incarnation uint64) membership.OpenSession {
	return membership.OpenSession{Node: d, SecretHash: secret(of), Incarnation: incarnation}
}

func opened(id, of string, incarnation uint64) *eventsv1.SessionOpened {
	h := secret(of)
	return &eventsv1.SessionOpened{NodeId: id, TtlMs: 5000, SecretHash: h[:], Incarnation: incarnation}
}

// joined is a node with a session at position 2.
func joined(id, of string) []proto.Message {
	_, p := worker(id)
	return []proto.Message{&eventsv1.NodeJoined{Node: p}, opened(id, of, 1)}
}

func TestOpenSession(t *testing.T) {
	s := commandtest.New(t, model.New())
	d, p := worker("n1", labels("rack", "r1"))
	s.When(open(d, "a", 1)).Then(&eventsv1.NodeJoined{Node: p}, opened("n1", "a", 1))
}

// TestOpenSessionTTL: a session has the time to live of its policy.
func TestOpenSessionTTL(t *testing.T) {
	s := commandtest.New(t, model.New())
	s.When(policy.SetSession{TTL: 7 * time.Second}).ThenDone()
	d, p := worker("n1")
	h := secret("a")
	s.When(open(d, "a", 1)).
		Then(&eventsv1.NodeJoined{Node: p}, &eventsv1.SessionOpened{NodeId: "n1", TtlMs: 7000, SecretHash: h[:], Incarnation: 1})
}

func TestOpenSessionAgain(t *testing.T) {
	d, _ := worker("n1")
	// A second process is refused while the session lives, and changes nothing.
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(open(d, "b", 1)).ThenRejected("session_exists")
	// The same node, proven by its secret, replaces its session; the old one
	// closes first.
	s.When(open(d, "a", 2)).
		Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: restarted}, opened("n1", "a", 2))
	// An open that was delayed on its way replaces nothing: neither one of the
	// process that has the session, nor one of a process before it.
	s.When(open(d, "a", 2)).ThenRejected("session_exists")
	s.When(open(d, "a", 1)).ThenRejected("incarnation_stale")
	// What it says of itself may have changed meanwhile.
	d, p := worker("n1", func(d *membership.Descriptor) { d.Zone = "z2" })
	s.When(open(d, "a", 3)).
		Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 4, Cause: restarted}, &eventsv1.NodeUpdated{Node: p}, opened("n1", "a", 3))
	// After its expiry a process before it may still not have the name, any other
	// may.
	s.When(membership.CloseSession{NodeID: "n1", Session: 7, Cause: expired}).ThenDone()
	s.When(open(d, "a", 2)).ThenRejected("incarnation_stale")
	s.When(open(d, "b", 1)).Then(opened("n1", "b", 1))
}

// TestOpenSessionKeepsLabels: what an operator labelled survives a restart,
// the node's own word holds, and a node that left comes back without.
func TestOpenSessionKeepsLabels(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.Update{NodeID: "n1", Labels: map[string]string{"team": "x", "rack": "r1"}}).ThenDone() // position 3
	d, _ := worker("n1", labels("rack", "r2"))
	_, p := worker("n1", labels("rack", "r2", "team", "x"))
	s.When(open(d, "a", 2)).
		Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: restarted}, &eventsv1.NodeUpdated{Node: p}, opened("n1", "a", 2))
	s.When(membership.Leave{NodeID: "n1", Session: 6, SecretHash: secret("a")}).ThenDone()
	_, p = worker("n1", labels("rack", "r2"))
	s.When(open(d, "c", 1)).Then(&eventsv1.NodeJoined{Node: p}, opened("n1", "c", 1))
}

// TestOpenSessionLabelBound: restarts with ever new labels do not pass the
// bound together.
func TestOpenSessionLabelBound(t *testing.T) {
	many := func(prefix string) membership.Descriptor {
		d, _ := worker("n1", labels())
		for i := range 40 {
			d.Labels[prefix+string(rune('A'+i%26))+string(rune('a'+i/26))] = "v"
		}
		return d
	}
	s := commandtest.New(t, model.New())
	s.When(open(many("x"), "a", 1)).ThenDone()
	s.When(open(many("x"), "a", 2)).ThenDone()
	s.When(open(many("y"), "a", 3)).ThenInvalid("labels")
}

func TestOpenSessionRefused(t *testing.T) {
	d, _ := worker("s1")
	_, server := worker("s1", func(d *membership.Descriptor) { d.Role = membership.ServerRole })
	s := commandtest.New(t, model.New()).Given(&eventsv1.NodeJoined{Node: server})
	s.When(open(d, "a", 1)).ThenRejected("node_is_server")
	d, _ = worker("n1", func(d *membership.Descriptor) { d.Role = membership.ServerRole })
	s.When(open(d, "a", 1)).ThenInvalid("role")
	d, _ = worker("n1")
	s.When(membership.OpenSession{Node: d, Incarnation: 1}).ThenInvalid("secret")
	s.When(open(d, "a", 0)).ThenInvalid("incarnation")
}

func TestCloseSession(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.CloseSession{NodeID: "n2", Session: 2, Cause: expired}).ThenRejected("node_not_found")
	s.When(membership.CloseSession{NodeID: "n1", Cause: expired}).ThenRejected("session_not_found")
	s.When(membership.CloseSession{NodeID: "n1", Session: 1, Cause: expired}).ThenRejected("session_not_found")
	s.When(membership.CloseSession{NodeID: "n1", Session: 2, Cause: expired}).Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: expired})
	s.When(membership.CloseSession{NodeID: "n1", Session: 2, Cause: expired}).ThenRejected("session_not_found")
	// Without a session the node is still a member; session 0 is none.
	s.When(membership.CloseSession{NodeID: "n1", Cause: expired}).ThenRejected("session_not_found")
	// A late expiry of the old session does not reach the new one.
	d, _ := worker("n1")
	s.When(open(d, "b", 1)).Then(opened("n1", "b", 1))
	s.When(membership.CloseSession{NodeID: "n1", Session: 2, Cause: expired}).ThenRejected("session_not_found")
}

func TestLeave(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.Leave{NodeID: "n2", Session: 2, SecretHash: secret("a")}).ThenRejected("node_not_found")
	s.When(membership.Leave{NodeID: "n1", Session: 1, SecretHash: secret("a")}).ThenRejected("session_not_found")
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("b")}).ThenRejected("secret_mismatch")
	s.When(membership.Leave{NodeID: "n1", Session: 2}).ThenRejected("secret_mismatch")
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).
		Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: left}, &eventsv1.NodeLeft{NodeId: "n1"})
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).ThenRejected("session_not_found")
	s.When(membership.Cordon{NodeID: "n1"}).ThenRejected("node_left")
	d, p := worker("n1")
	s.When(open(d, "b", 1)).Then(&eventsv1.NodeJoined{Node: p}, opened("n1", "b", 1))
}

// TestSecondClose: a SessionClosed of an older session, should one be on the
// log, takes nothing from the present one.
func TestSecondClose(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	s.Given(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: expired}, opened("n1", "b", 1),
		&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: expired})
	if !m.Membership.SessionIs("n1", 4) || m.Membership.SessionIs("n1", 0) || m.Membership.SessionIs("n2", 4) {
		t.Error("session 4 of n1 is not the present one")
	}
}
