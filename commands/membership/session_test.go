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

func opened(id, of string) *eventsv1.SessionOpened {
	h := secret(of)
	return &eventsv1.SessionOpened{NodeId: id, TtlMs: 5000, SecretHash: h[:]}
}

// joined is a node with a session at position 2.
func joined(id, of string) []proto.Message {
	_, p := worker(id)
	return []proto.Message{&eventsv1.NodeJoined{Node: p}, opened(id, of)}
}

func TestOpenSession(t *testing.T) {
	s := commandtest.New(t, model.New())
	d, p := worker("n1", labels("rack", "r1"))
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a")}).Then(&eventsv1.NodeJoined{Node: p}, opened("n1", "a"))
}

// TestOpenSessionTTL: a session has the time to live of its policy.
func TestOpenSessionTTL(t *testing.T) {
	s := commandtest.New(t, model.New())
	s.When(policy.SetSession{TTL: 7 * time.Second}).ThenDone()
	d, p := worker("n1")
	h := secret("a")
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a")}).
		Then(&eventsv1.NodeJoined{Node: p}, &eventsv1.SessionOpened{NodeId: "n1", TtlMs: 7000, SecretHash: h[:]})
}

func TestOpenSessionAgain(t *testing.T) {
	d, _ := worker("n1")
	// A second process is refused while the session lives, and changes nothing.
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.OpenSession{Node: d, SecretHash: secret("b")}).ThenRejected("session_exists")
	// The same node, proven by its secret, replaces its session; the old one
	// closes first.
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a")}).
		Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: restarted}, opened("n1", "a"))
	// What it says of itself may have changed meanwhile.
	d, p := worker("n1", func(d *membership.Descriptor) { d.Zone = "z2" })
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a")}).
		Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 4, Cause: restarted}, &eventsv1.NodeUpdated{Node: p}, opened("n1", "a"))
	// After its expiry anyone may have the name.
	s.When(membership.CloseSession{NodeID: "n1", Session: 7, Cause: expired}).ThenDone()
	s.When(membership.OpenSession{Node: d, SecretHash: secret("b")}).Then(opened("n1", "b"))
}

// TestOpenSessionKeepsLabels: what an operator labelled survives a restart,
// the node's own word holds, and a node that left comes back without.
func TestOpenSessionKeepsLabels(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.Update{NodeID: "n1", Labels: map[string]string{"team": "x", "rack": "r1"}}).ThenDone() // position 3
	d, _ := worker("n1", labels("rack", "r2"))
	_, p := worker("n1", labels("rack", "r2", "team", "x"))
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a")}).
		Then(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: restarted}, &eventsv1.NodeUpdated{Node: p}, opened("n1", "a"))
	s.When(membership.Leave{NodeID: "n1", Session: 6, SecretHash: secret("a")}).ThenDone()
	_, p = worker("n1", labels("rack", "r2"))
	s.When(membership.OpenSession{Node: d, SecretHash: secret("c")}).Then(&eventsv1.NodeJoined{Node: p}, opened("n1", "c"))
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
	s.When(membership.OpenSession{Node: many("x"), SecretHash: secret("a")}).ThenDone()
	s.When(membership.OpenSession{Node: many("x"), SecretHash: secret("a")}).ThenDone()
	s.When(membership.OpenSession{Node: many("y"), SecretHash: secret("a")}).ThenInvalid("labels")
}

func TestOpenSessionRefused(t *testing.T) {
	d, _ := worker("s1")
	_, server := worker("s1", func(d *membership.Descriptor) { d.Role = membership.ServerRole })
	s := commandtest.New(t, model.New()).Given(&eventsv1.NodeJoined{Node: server})
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a")}).ThenRejected("node_is_server")
	d, _ = worker("n1", func(d *membership.Descriptor) { d.Role = membership.ServerRole })
	s.When(membership.OpenSession{Node: d, SecretHash: secret("a")}).ThenInvalid("role")
	d, _ = worker("n1")
	s.When(membership.OpenSession{Node: d}).ThenInvalid("secret")
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
	s.When(membership.OpenSession{Node: d, SecretHash: secret("b")}).Then(opened("n1", "b"))
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
	s.When(membership.OpenSession{Node: d, SecretHash: secret("b")}).Then(&eventsv1.NodeJoined{Node: p}, opened("n1", "b"))
}

// TestSecondClose: a SessionClosed of an older session, should one be on the
// log, takes nothing from the present one.
func TestSecondClose(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	s.Given(&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: expired}, opened("n1", "b"),
		&eventsv1.SessionClosed{NodeId: "n1", Session: 2, Cause: expired})
	if !m.Membership.SessionIs("n1", 4) || m.Membership.SessionIs("n1", 0) || m.Membership.SessionIs("n2", 4) {
		t.Error("session 4 of n1 is not the present one")
	}
}
