package registry_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/registry"
)

func joined(id, role string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NodeJoined{NodeJoined: &eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: id, Role: role}}}}
}

func opened(id string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_SessionOpened{SessionOpened: &eventsv1.SessionOpened{NodeId: id}}}
}

func closed(id string, session uint64, cause eventsv1.SessionCloseCause) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_SessionClosed{SessionClosed: &eventsv1.SessionClosed{NodeId: id, Session: session, Cause: cause}}}
}

// build applies one frame of decisions after the era's event at position 1.
func build(t *testing.T, ds ...*eventsv1.Decision) *projections.View {
	t.Helper()
	log := projectiontest.NewLog(t)
	log.Append(t, ds...)
	p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), registry.Tables()...), log.Head.Position)
	v := projectiontest.View(t, p)
	t.Cleanup(func() {
		v.Release()
		projectiontest.Close(t, p)
	})
	return v
}

// TestPeerStatus: what each way of losing a session makes of a node.
func TestPeerStatus(t *testing.T) {
	const (
		expired   = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED
		left      = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_LEFT
		restarted = eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED
	)
	// NodeJoined is position 2, SessionOpened 3.
	for name, c := range map[string]struct {
		then []*eventsv1.Event
		want string
	}{
		"joined":            {nil, "ALIVE ACTIVE session 3 v2"},
		"expired":           {[]*eventsv1.Event{closed("n", 3, expired)}, "FAILED ACTIVE session 0 v3"},
		"left":              {[]*eventsv1.Event{closed("n", 3, left), {Kind: &eventsv1.Event_NodeLeft{NodeLeft: &eventsv1.NodeLeft{NodeId: "n"}}}}, "LEFT ACTIVE session 0 v4"},
		"left, then closed": {[]*eventsv1.Event{{Kind: &eventsv1.Event_NodeLeft{NodeLeft: &eventsv1.NodeLeft{NodeId: "n"}}}, closed("n", 3, left)}, "LEFT ACTIVE session 0 v4"},
		"restarted":         {[]*eventsv1.Event{closed("n", 3, restarted), opened("n")}, "ALIVE ACTIVE session 5 v4"},
		"back":              {[]*eventsv1.Event{closed("n", 3, expired), opened("n")}, "ALIVE ACTIVE session 5 v4"},
		"an older session":  {[]*eventsv1.Event{closed("n", 2, expired)}, "ALIVE ACTIVE session 3 v3"},
		"cordoned":          {[]*eventsv1.Event{{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: "n"}}}}, "ALIVE CORDONED session 3 v3"},
	} {
		t.Run(name, func(t *testing.T) {
			ds := []*eventsv1.Decision{projectiontest.Decide("node/n", joined("n", "worker"), opened("n"))}
			if len(c.then) > 0 {
				ds = append(ds, projectiontest.Decide("node/s1", c.then...))
			}
			v := build(t, ds...)
			p, ok, err := registry.Peer(v, "n", 0)
			if err != nil || !ok {
				t.Fatalf("peer: found %v, %v", ok, err)
			}
			got := fmt.Sprintf("%s %s session %d v%d", p.Status.String()[len("PEER_STATUS_"):], p.Lifecycle.String()[len("PEER_LIFECYCLE_"):], p.SessionId, p.Version)
			if got != c.want {
				t.Errorf("peer is %s, want %s", got, c.want)
			}
			counts, err := registry.PeerCounts(v)
			if d := cmp.Diff(map[controlv1.PeerStatus]int64{p.Status: 1}, counts); d != "" || err != nil {
				t.Errorf("counts (-want +got), %v:\n%s", err, d)
			}
		})
	}
}

// TestLogState: a seal is in force until it is taken away or its era ends, and a
// restored era is settling until it is settled.
func TestLogState(t *testing.T) {
	sealed := &eventsv1.Event{Kind: &eventsv1.Event_LogSealed{LogSealed: &eventsv1.LogSealed{}}}
	v := build(t,
		projectiontest.Decide("user/a", sealed), // 2
		projectiontest.Decide("user/a", &eventsv1.Event{Kind: &eventsv1.Event_LogResumed{LogResumed: &eventsv1.LogResumed{Sealed: 2}}}), // 3
		projectiontest.Decide("user/a", sealed), // 4
		projectiontest.Decide("node/s1", &eventsv1.Event{Kind: &eventsv1.Event_EraStarted{ // 5
			EraStarted: &eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: 4, Next: 5}}}),
		projectiontest.Decide("node/s1", &eventsv1.Event{Kind: &eventsv1.Event_EraSettled{EraSettled: &eventsv1.EraSettled{Era: 2}}}), // 6
	)
	var got []string
	for at := events.Position(1); at <= 6; at++ {
		s, err := registry.LogState(v, at)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("sealed %d settling %t", s.GetSealed(), s.GetSettling()))
	}
	want := []string{"sealed 0 settling false", "sealed 2 settling false", "sealed 0 settling false",
		"sealed 4 settling false", "sealed 0 settling true", "sealed 0 settling false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("positions 1 to 6 (-want +got):\n%s", d)
	}
}

// TestServerStatus: a server has no session, and is what was noted of it last.
func TestServerStatus(t *testing.T) {
	lost := func(cause eventsv1.ServerLossCause) *eventsv1.Event {
		return &eventsv1.Event{Kind: &eventsv1.Event_ServerLost{ServerLost: &eventsv1.ServerLost{NodeId: "s2", Cause: cause}}}
	}
	v := build(t,
		projectiontest.Decide("node/s2", joined("s2", "server")),                                             // 2
		projectiontest.Decide("node/s1", lost(eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_SILENT)),            // 3
		projectiontest.Decide("node/s1", lost(eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_STOPPED)),           // 4
		projectiontest.Decide("node/s1", &eventsv1.Event{Kind: &eventsv1.Event_ServerReturned{ServerReturned: // 5
		&eventsv1.ServerReturned{NodeId: "s2"}}}),
	)
	var got []string
	for at := events.Position(2); at <= 5; at++ {
		p, _, err := registry.Peer(v, "s2", at)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s v%d", p.GetStatus().String()[len("PEER_STATUS_"):], p.GetVersion()))
	}
	if d := cmp.Diff([]string{"ALIVE v1", "FAILED v2", "LEFT v3", "ALIVE v4"}, got); d != "" {
		t.Errorf("positions 2 to 5 (-want +got):\n%s", d)
	}
}

// TestLeadershipEndsWithItsSession: so do candidacies; a server without a
// session is alive and leads all the same.
func TestLeadershipEndsWithItsSession(t *testing.T) {
	granted := func(scope, node string, session uint64) *eventsv1.Event {
		return &eventsv1.Event{Kind: &eventsv1.Event_LeadershipGranted{LeadershipGranted: &eventsv1.LeadershipGranted{Scope: scope, NodeId: node, Session: session}}}
	}
	candidate := func(scope, node string, session uint64) *eventsv1.Event {
		return &eventsv1.Event{Kind: &eventsv1.Event_CandidacyDeclared{CandidacyDeclared: &eventsv1.CandidacyDeclared{Scope: scope, NodeId: node, Session: session}}}
	}
	v := build(t,
		projectiontest.Decide("node/a", joined("a", "worker"), opened("a")),                                      // 2, 3
		projectiontest.Decide("node/b", joined("b", "worker"), opened("b")),                                      // 4, 5
		projectiontest.Decide("node/s1", joined("s1", "server"), granted("global-control", "s1", 0)),             // 6, 7
		projectiontest.Decide("node/a", granted("app/1", "a", 3), granted("shard/demo/7", "a", 3)),               // 8, 9
		projectiontest.Decide("node/b", candidate("app/1", "b", 5), candidate("app/1", "a", 3)),                  // 10, 11
		projectiontest.Decide("node/s1", closed("a", 3, eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED)), // 12
		projectiontest.Decide("node/s1", granted("app/1", "b", 5)),                                               // 13
	)
	var got []string
	err := errors.Join(
		registry.EachLeader(v, "", 0, func(l *controlv1.LeadershipToken) bool {
			got = append(got, fmt.Sprintf("%s %s by %s term %d fence %d v%d", l.ScopeKind, l.Scope, l.LeaderId, l.Term, l.FenceToken, l.Version))
			return true
		}),
		registry.EachCandidate(v, "app/1", 0, func(c *eventsv1.CandidacyDeclared) bool {
			got = append(got, "candidate "+c.NodeId)
			return true
		}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"custom app/1 by b term 13 fence 13 v13",
		"global-control global-control by s1 term 7 fence 7 v7",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("at the head (-want +got):\n%s", d)
	}
	l, ok, err := registry.Leader(v, "shard/demo/7", 9)
	if err != nil || !ok || l.LeaderId != "a" || l.ScopeKind != "shard" {
		t.Errorf("as of 9 the shard's scope is led by %v (%v, %v), want a", l, ok, err)
	}
	server, _, err := registry.Peer(v, "s1", 0)
	if err != nil || server.GetStatus() != controlv1.PeerStatus_PEER_STATUS_ALIVE || server.GetSessionId() != 0 {
		t.Errorf("server is %v (%v), want alive without a session", server, err)
	}
}

func TestNamespaceLife(t *testing.T) {
	spec := func(n uint32) *eventsv1.NamespaceSpec {
		return &eventsv1.NamespaceSpec{ShardCount: n, StrategyId: "ring", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE, EligibleRole: "worker"}
	}
	v := build(t,
		projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{Namespace: "demo", Spec: spec(4)}}}),             // 2
		projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceUpdated{NamespaceUpdated: &eventsv1.NamespaceUpdated{Namespace: "demo", Spec: spec(8)}}}),             // 3
		projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceDeleting{NamespaceDeleting: &eventsv1.NamespaceDeleting{Namespace: "demo"}}}),                         // 4
		projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceDeleted{NamespaceDeleted: &eventsv1.NamespaceDeleted{Namespace: "demo"}}}),                            // 5
		projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceUpdated{NamespaceUpdated: &eventsv1.NamespaceUpdated{Namespace: "demo", Spec: spec(99)}}}),            // 6: about nothing
		projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{Namespace: "demo", Spec: spec(2), Version: 4}}}), // 7: again
		projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceUpdated{NamespaceUpdated: &eventsv1.NamespaceUpdated{Namespace: "demo", Spec: spec(3)}}}),             // 8
	)
	var got []string
	for at := events.Position(2); at <= 8; at++ {
		n, ok, err := registry.Namespace(v, "demo", at)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%v %d %s v%d", ok, n.GetShardCount(), n.GetStatus(), n.GetVersion()))
	}
	want := []string{
		"true 4 NAMESPACE_STATUS_ACTIVE v1", "true 8 NAMESPACE_STATUS_ACTIVE v2", "true 8 NAMESPACE_STATUS_DELETING v3",
		"false 0 NAMESPACE_STATUS_UNSPECIFIED v0", "false 0 NAMESPACE_STATUS_UNSPECIFIED v0",
		"true 2 NAMESPACE_STATUS_ACTIVE v4", "true 3 NAMESPACE_STATUS_ACTIVE v5",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("positions 2 to 8 (-want +got):\n%s", d)
	}
	if n, err := registry.NamespaceCount(v); n != 1 || err != nil {
		t.Errorf("%d namespaces are counted, %v", n, err)
	}
}

// TestDrainRows: a drain shows while it lasts, and what put a node where it is.
func TestDrainRows(t *testing.T) {
	e := func(k any) *eventsv1.Event {
		switch k := k.(type) {
		case *eventsv1.NodeDrainStarted:
			return &eventsv1.Event{Kind: &eventsv1.Event_NodeDrainStarted{NodeDrainStarted: k}}
		case *eventsv1.NodeDrainStalled:
			return &eventsv1.Event{Kind: &eventsv1.Event_NodeDrainStalled{NodeDrainStalled: k}}
		case *eventsv1.NodeDrained:
			return &eventsv1.Event{Kind: &eventsv1.Event_NodeDrained{NodeDrained: k}}
		case *eventsv1.NodeDrainCancelled:
			return &eventsv1.Event{Kind: &eventsv1.Event_NodeDrainCancelled{NodeDrainCancelled: k}}
		case *eventsv1.NodeCordoned:
			return &eventsv1.Event{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: k}}
		}
		return &eventsv1.Event{Kind: &eventsv1.Event_NodeUncordoned{NodeUncordoned: &eventsv1.NodeUncordoned{NodeId: "n"}}}
	}
	ds := []*eventsv1.Decision{projectiontest.Decide("node/n", joined("n", "worker"))} // 2
	for _, k := range []any{
		&eventsv1.NodeDrainStarted{NodeId: "n", DeadlineMs: 5000, Window: "w"}, &eventsv1.NodeDrainStalled{NodeId: "n"}, // 3, 4
		&eventsv1.NodeDrainStarted{NodeId: "n", DeadlineMs: 9000}, &eventsv1.NodeDrainCancelled{NodeId: "n"}, // 5, 6
		&eventsv1.NodeCordoned{NodeId: "n", Window: "v"}, &eventsv1.NodeDrainStarted{NodeId: "n", Window: "v"}, // 7, 8
		&eventsv1.NodeDrained{NodeId: "n"}, nil, // 9, 10
	} {
		ds = append(ds, projectiontest.Decide("user/a", e(k)))
	}
	v := build(t, ds...)
	var got []string
	for at := events.Position(2); at <= 10; at++ {
		p, _, err := registry.Peer(v, "n", at)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %q deadline %d stalled %t", p.Lifecycle.String()[len("PEER_LIFECYCLE_"):], p.Maintenance,
			p.GetDrain().GetDeadline().GetSeconds(), p.GetDrain().GetStalledAt() != nil))
	}
	want := []string{
		`ACTIVE "" deadline 0 stalled false`, `DRAINING "w" deadline 5 stalled false`, `DRAINING "w" deadline 5 stalled true`,
		`DRAINING "" deadline 9 stalled false`, `ACTIVE "" deadline 0 stalled false`, `CORDONED "v" deadline 0 stalled false`,
		`DRAINING "v" deadline 0 stalled false`, `DRAINED "v" deadline 0 stalled false`, `ACTIVE "" deadline 0 stalled false`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("positions 2 to 10 (-want +got):\n%s", d)
	}
}

// TestMaintenanceRows: a window keeps who made it; a removed one is gone, and was.
func TestMaintenanceRows(t *testing.T) {
	set := func(version uint64, end int64) *eventsv1.Event {
		return &eventsv1.Event{Kind: &eventsv1.Event_PolicySet{PolicySet: &eventsv1.PolicySet{Kind: "maintenance", Name: "w", Version: version,
			Spec: &eventsv1.PolicySet_Maintenance{Maintenance: &eventsv1.MaintenancePolicy{NodeIds: []string{"n"}, EndMs: end, Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN}}}}}
	}
	v := build(t, projectiontest.Decide("user/ann", set(1, 9000)), projectiontest.Decide("user/bob", set(2, 5000)),
		projectiontest.Decide("user/bob", &eventsv1.Event{Kind: &eventsv1.Event_PolicyRemoved{PolicyRemoved: &eventsv1.PolicyRemoved{Kind: "maintenance", Name: "w", Version: 2}}}))
	var got []string
	for at := events.Position(2); at <= 4; at++ {
		w, ok, err := registry.MaintenanceWindow(v, "w", at)
		if err != nil {
			t.Fatal(err)
		}
		_, kept, err := registry.Policy(v, "maintenance", "w", at)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%t %t v%d by %s to %d", ok, kept, w.GetVersion(), w.GetCreatedBy(), w.GetEnd().GetSeconds()))
	}
	if d := cmp.Diff([]string{"true true v1 by user/ann to 9", "true true v2 by user/ann to 5", "false false v0 by  to 0"}, got); d != "" {
		t.Errorf("positions 2 to 4 (-want +got):\n%s", d)
	}
}
