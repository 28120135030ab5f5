package membership_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/shard"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestJoinServer(t *testing.T) {
	s := commandtest.New(t, model.New())
	asServer := func(d *membership.Descriptor) { d.Role = membership.ServerRole }
	d, p := worker("s1", asServer)
	s.When(membership.JoinServer{Node: d}).Then(&eventsv1.NodeJoined{Node: p})
	s.When(membership.JoinServer{Node: d}).ThenNothing()
	d.MeshVersion, p.MeshVersion = "2", "2"
	s.When(membership.JoinServer{Node: d}).Then(&eventsv1.NodeUpdated{Node: p})
	// Operators' labels stay; whatever role it names, a server joins as one.
	s.When(membership.Update{NodeID: "s1", Labels: map[string]string{"rack": "r1"}}).ThenDone()
	d.Role = "worker"
	s.When(membership.JoinServer{Node: d}).ThenNothing()
	for i := range 64 {
		d.Labels = map[string]string{fmt.Sprintf("k%d", i): "v"}
		if i < 63 {
			s.When(membership.JoinServer{Node: d}).ThenDone()
		}
	}
	s.When(membership.JoinServer{Node: d}).ThenInvalid("labels")
	d.NodeID = "no name"
	s.When(membership.JoinServer{Node: d}).ThenInvalid("nodeId")
}

func TestJoinServerTakenName(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	d, p := worker("n1", func(d *membership.Descriptor) { d.Role = membership.ServerRole })
	s.When(membership.JoinServer{Node: d}).ThenRejected("node_exists")
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).ThenDone()
	s.When(membership.JoinServer{Node: d}).Then(&eventsv1.NodeJoined{Node: p})
}

// TestLoseServer: silence is noted once, its own word after silence too, and
// whoever says what it is takes part again.
func TestLoseServer(t *testing.T) {
	const (
		silent  = eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_SILENT
		stopped = eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_STOPPED
	)
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	d, _ := worker("s2")
	s.When(membership.LoseServer{NodeID: "s2", Cause: silent}).ThenRejected("node_not_found")
	s.When(membership.LoseServer{NodeID: "n1", Cause: silent}).ThenRejected("node_not_server")
	s.When(membership.ReturnServer{NodeID: "n1"}).ThenRejected("node_not_server")
	s.When(membership.JoinServer{Node: d}).ThenDone()
	s.When(membership.LoseServer{NodeID: "s2"}).ThenInvalid("cause")
	s.When(membership.ReturnServer{NodeID: "s2"}).ThenNothing()
	s.When(membership.LoseServer{NodeID: "s2", Cause: silent}).Then(&eventsv1.ServerLost{NodeId: "s2", Cause: silent})
	s.When(membership.LoseServer{NodeID: "s2", Cause: silent}).ThenNothing()
	s.When(membership.LoseServer{NodeID: "s2", Cause: stopped}).Then(&eventsv1.ServerLost{NodeId: "s2", Cause: stopped})
	s.When(membership.LoseServer{NodeID: "s2", Cause: silent}).ThenNothing()
	d2, _ := worker("s2")
	s.When(open(d2, "b", 1)).ThenRejected("node_is_server") // its name stays taken
	s.When(membership.ReturnServer{NodeID: "s2"}).Then(&eventsv1.ServerReturned{NodeId: "s2"})
	s.When(membership.ReturnServer{NodeID: "s2"}).ThenNothing()
	s.When(membership.LoseServer{NodeID: "s2", Cause: stopped}).ThenDone()
	s.When(membership.JoinServer{Node: d}).Then(&eventsv1.ServerReturned{NodeId: "s2"})
	s.When(membership.JoinServer{Node: d}).ThenNothing()
}

// TestEachServer: the servers, in order, whatever else there is.
func TestEachServer(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	for _, id := range []string{"s3", "s1", "s2"} {
		d, _ := worker(id)
		s.When(membership.JoinServer{Node: d}).ThenDone()
	}
	seen := func(st *membership.State) (ids []string) {
		st.EachServer(func(n membership.Node) bool { ids = append(ids, n.NodeID); return true })
		return ids
	}
	want := []string{"s1", "s2", "s3"}
	for name, st := range map[string]*membership.State{
		"as it grew": m.Membership, "a clone": m.Membership.Clone(), "from its image": membership.FromImage(m.Membership.Image()),
	} {
		if got := seen(st); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestCordon(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.Cordon{NodeID: "n2"}).ThenRejected("node_not_found")
	s.When(membership.Uncordon{NodeID: "n2"}).ThenRejected("node_not_found")
	s.When(membership.Uncordon{NodeID: "n1"}).ThenRejected("invalid_transition")
	s.IfVersion(9).When(membership.Cordon{NodeID: "n1"}).ThenRejected("version_mismatch")
	s.IfVersion(2).When(membership.Cordon{NodeID: "n1"}).Then(&eventsv1.NodeCordoned{NodeId: "n1"})
	if r := s.When(membership.Cordon{NodeID: "n1"}).Rejected("invalid_transition"); r.Allowed != "uncordon, drain" {
		t.Errorf("a cordoned node allows %q, want uncordon, drain", r.Allowed)
	}
	s.IfVersion(2).When(membership.Uncordon{NodeID: "n1"}).ThenRejected("version_mismatch")
	s.When(membership.Uncordon{NodeID: "n1"}).Then(&eventsv1.NodeUncordoned{NodeId: "n1"})
}

// TestCordonStays: a cordon outlives sessions and leaving; only Uncordon takes
// it back.
func TestCordonStays(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	s.When(membership.Cordon{NodeID: "n1"}).ThenDone()
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).ThenDone() // 4, 5
	d, _ := worker("n1")
	s.When(open(d, "b", 1)).ThenDone() // 6, 7
	s.When(shard.Create{Namespace: "demo", Spec: shard.Spec{ShardCount: 1}}).ThenDone()
	s.When(shard.Assign{Namespace: "demo", Targets: []shard.Target{{NodeID: "n1", Session: 7, Shards: []uint32{0}}}}).ThenRejected("node_cordoned")
}

func TestUpdate(t *testing.T) {
	s := commandtest.New(t, model.New()).Given(joined("n1", "a")...)
	weight := 2.0
	_, p := worker("n1", labels("rack", "r1"), func(d *membership.Descriptor) { d.Weight = 2 })
	set := membership.Update{NodeID: "n1", Labels: map[string]string{"rack": "r1", "gone": ""}, Weight: &weight}
	s.IfVersion(1).When(set).ThenRejected("version_mismatch")
	s.IfVersion(2).When(set).Then(&eventsv1.NodeUpdated{Node: p})
	s.When(set).ThenNothing()
	s.When(membership.Update{NodeID: "n1"}).ThenNothing()
	_, p = worker("n1", func(d *membership.Descriptor) { d.Weight = 2 })
	s.When(membership.Update{NodeID: "n1", Labels: map[string]string{"rack": ""}}).Then(&eventsv1.NodeUpdated{Node: p})
	s.When(membership.Update{NodeID: "n2"}).ThenRejected("node_not_found")
	s.When(membership.Update{NodeID: "n1", Labels: map[string]string{"no key": "v"}}).ThenInvalid("labels")
	for _, w := range []float64{0, -1, math.NaN(), math.Inf(1), 101} {
		s.When(membership.Update{NodeID: "n1", Weight: &w}).ThenInvalid("weight")
	}
	s.When(membership.Leave{NodeID: "n1", Session: 2, SecretHash: secret("a")}).ThenDone()
	s.When(set).ThenRejected("node_left")
}

// TestWeightStays: the weight that an operator gave holds over restarts and
// leaving, whatever the node says, until an operator gives another. One that only
// the node named is the node's.
func TestWeightStays(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	weighs := func(want float64) {
		t.Helper()
		if n, _ := m.Membership.Node("n1"); n.Weight != want {
			t.Errorf("at %d the weight is %v, want %v", s.Position(), n.Weight, want)
		}
	}
	incarnation := uint64(1)
	restarts := func(weight float64) {
		t.Helper()
		incarnation++
		d, _ := worker("n1", func(d *membership.Descriptor) { d.Weight = weight })
		s.When(open(d, "a", incarnation)).ThenDone()
	}
	gives := func(weight float64) { s.When(membership.Update{NodeID: "n1", Weight: &weight}).ThenDone() }
	restarts(2)
	weighs(2) // its own word
	s.When(membership.Update{NodeID: "n1", Labels: map[string]string{"rack": "r1"}}).ThenDone()
	restarts(1)
	weighs(1) // no operator weighed it
	gives(3)
	restarts(1)
	weighs(3)
	restarts(5)
	weighs(3)
	gives(4)
	n, _ := m.Membership.Node("n1")
	s.When(membership.Leave{NodeID: "n1", Session: n.Session, SecretHash: secret("a")}).ThenDone()
	restarts(1)
	weighs(4)
}

func TestDescriptorBounds(t *testing.T) {
	long := strings.Repeat("x", 129)
	for field, change := range map[string]func(*membership.Descriptor){
		"nodeId":      func(d *membership.Descriptor) { d.NodeID = "a b" },
		"role":        func(d *membership.Descriptor) { d.Role = "" },
		"clusterId":   func(d *membership.Descriptor) { d.ClusterID = "-x" },
		"region":      func(d *membership.Descriptor) { d.Region = long },
		"zone":        func(d *membership.Descriptor) { d.Zone = "z/1" },
		"meshVersion": func(d *membership.Descriptor) { d.MeshVersion = "1\n2" },
		"weight":      func(d *membership.Descriptor) { d.Weight = 0 },
		"labels":      labels("k", strings.Repeat("v", 257)),
	} {
		d, _ := worker("n1", change)
		s := commandtest.New(t, model.New())
		s.When(open(d, "a", 1)).ThenInvalid(field)
	}
	// Text that is no UTF-8 could not be stored: it would stop every decision of
	// its frame.
	d, _ := worker("n1", labels("k", "\xff"))
	commandtest.New(t, model.New()).When(open(d, "a", 1)).ThenInvalid("labels")
}

// TestVersions: the version of a node rises by one with each event about it.
func TestVersions(t *testing.T) {
	m := model.New()
	s := commandtest.New(t, m).Given(joined("n1", "a")...)
	for want := uint64(2); want < 6; want++ {
		if n, _ := m.Membership.Node("n1"); n.Version != want {
			t.Errorf("version is %d, want %d", n.Version, want)
		}
		if want%2 == 0 {
			s.When(membership.Cordon{NodeID: "n1"}).ThenDone()
		} else {
			s.When(membership.Uncordon{NodeID: "n1"}).ThenDone()
		}
	}
}
