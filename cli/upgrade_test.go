package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// TestPlanUpgrade: what is drained comes first, then zone by zone; what has the
// version, is gone, or is a server is passed over; a share is of all.
func TestPlanUpgrade(t *testing.T) {
	peer := func(id, zone, version string, status controlv1.PeerStatus, lifecycle controlv1.PeerLifecycle) *controlv1.Peer {
		return &controlv1.Peer{NodeId: id, Role: "worker", Zone: zone, MeshVersion: version, Status: status, Lifecycle: lifecycle, SessionId: 7}
	}
	const (
		alive, failed     = controlv1.PeerStatus_PEER_STATUS_ALIVE, controlv1.PeerStatus_PEER_STATUS_FAILED
		active, cordoned  = controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE, controlv1.PeerLifecycle_PEER_LIFECYCLE_CORDONED
		draining, drained = controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINING, controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINED
	)
	peers := []*controlv1.Peer{
		peer("n1", "b", "1", alive, active),
		peer("n2", "a", "1", alive, cordoned),
		peer("n3", "b", "1", failed, active),
		peer("n4", "b", "2", alive, active),
		peer("n5", "a", "1", alive, active),
		peer("n6", "z", "1", failed, drained),
		peer("n7", "z", "2", alive, drained),
		peer("n8", "b", "1", failed, draining),
		peer("n9", "b", "2", failed, drained),
		{NodeId: "s1", Role: "server", MeshVersion: "1", Status: alive},
	}
	for _, c := range []struct {
		batch, target string
		want          [][]string
		skipped       []string
	}{
		{"10%", "2", [][]string{{"n9"}, {"n6"}, {"n7"}, {"n2"}, {"n5"}, {"n1"}, {"n8"}}, []string{"n4"}},
		{"50%", "2", [][]string{{"n9", "n6", "n7", "n2"}, {"n5", "n1", "n8"}}, []string{"n4"}},
		{"100%", "", [][]string{{"n9", "n6", "n7", "n2", "n5", "n1", "n4", "n8"}}, nil},
		{"99", "2", [][]string{{"n9", "n6", "n7", "n2", "n5", "n1", "n8"}}, []string{"n4"}},
	} {
		p, err := planUpgrade(peers, c.batch, c.target)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]string
		for _, b := range p.batches {
			got = append(got, idsOf(b))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("--batch %s (-want +got):\n%s", c.batch, diff)
		}
		if diff := cmp.Diff(c.skipped, p.skipped); diff != "" {
			t.Errorf("--batch %s skips (-want +got):\n%s", c.batch, diff)
		}
		if diff := cmp.Diff([]string{"n3"}, p.absent); diff != "" {
			t.Errorf("--batch %s: absent (-want +got):\n%s", c.batch, diff)
		}
	}
	for _, bad := range []string{"", "0", "-1", "0%", "101%", "1.5", "x%"} {
		if _, err := planUpgrade(peers, bad, ""); ExitCode(err) != exitUsage {
			t.Errorf("--batch %q: %v", bad, err)
		}
	}
}
