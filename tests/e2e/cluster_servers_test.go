package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestClusterServerStatus: a server that is killed is failed, one that was stopped
// has left, and each is alive again when it is back, on every server, in the past
// too; and nobody else was ever anything else.
func TestClusterServerStatus(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	leader := c.Leader()
	victim, other := c.Except(leader).Servers()[0], c.Except(leader).Servers()[1]
	awaitServers(t, c, c.Except(), "alive", "alive", "alive")
	began := position(t, c, leader)

	c.Kill(victim)
	awaitServers(t, c, c.Except(victim), statuses(map[int]string{victim: "failed"})...)
	failed := position(t, c, leader)
	c.Restart(victim)
	awaitServers(t, c, c.Except(), "alive", "alive", "alive")
	c.Stop(victim)
	awaitServers(t, c, c.Except(victim), statuses(map[int]string{victim: "left"})...)
	c.Restart(victim)
	awaitServers(t, c, c.Except(), "alive", "alive", "alive")

	// The leader itself: noted by the next one.
	c.Kill(leader)
	awaitServers(t, c, c.Except(leader), statuses(map[int]string{leader: "failed"})...)
	c.Restart(leader)
	awaitServers(t, c, c.Except(), "alive", "alive", "alive")

	for at, want := range map[int64][]string{
		began:  {"alive", "alive", "alive"},
		failed: statuses(map[int]string{victim: "failed"}),
	} {
		if got := servers(t, c.Server(other), "--as-of", fmt.Sprint(at)); !slices.Equal(got, want) {
			t.Errorf("as of %d: %v, want %v", at, got, want)
		}
	}
	c.Converged(settle)
	v, l := fmt.Sprintf("s%d", victim), fmt.Sprintf("s%d", leader)
	want := []string{v + " failed", v + " alive", v + " left", v + " alive", l + " failed", l + " alive"}
	if got := serverChanges(t, c.Only(other).Connect(), began, len(want)); !slices.Equal(got, want) {
		t.Errorf("a watch from then on tells of %v, want %v", got, want)
	}
	if lost, back := len(c.Events("ServerLost")), len(c.Events("ServerReturned")); lost != 3 || back != 3 {
		t.Errorf("the log has %d losses and %d returns, want 3 each", lost, back)
	}
}

// serverChanges are the first n changes of a server's status after a position, as a
// watch tells them.
func serverChanges(t *testing.T, own *client.Client, after int64, n int) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settle)
	defer cancel()
	for change, err := range own.Peers.Watch(ctx, &controlv1.WatchPeersRequest{Role: "server", ResumeToken: after}) {
		if err != nil {
			t.Errorf("watch: %v", err)
			break
		}
		if change.GetCurrent().GetStatus() != change.GetPrevious().GetStatus() {
			all = append(all, change.GetCurrent().GetNodeId()+" "+statusWord(change.GetCurrent()))
		}
		if len(all) == n {
			break
		}
	}
	return all
}

func statusWord(p *controlv1.Peer) string {
	return strings.ToLower(strings.TrimPrefix(p.GetStatus().String(), "PEER_STATUS_"))
}

// TestClusterLeadersChange: control leadership goes round by itself, with nobody
// gone, and no server is noted as lost or shard event made (L7).
func TestClusterLeadersChange(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(ttl))
	createNamespace(t, c.Connect(), "demo", 8)
	c.StartAgent("n1")
	c.StartAgent("n2")
	awaitBalanced(t, c.Connect(), "demo", 8, "n1", "n2")
	awaitServers(t, c, c.Except(), "alive", "alive", "alive") // the last has said what it is
	before := c.Events("")
	for range 3 {
		leader := c.Leader()
		c.Pause(leader) // its authority ends, and another takes over
		c.AwaitLeader(leader)
		c.Resume(leader)
		c.AwaitReady()
		awaitServers(t, c, c.Except(), "alive", "alive", "alive")
	}
	c.Converged(settle)
	for _, e := range c.Events("")[len(before):] {
		if !strings.HasPrefix(e.GetType(), "Leadership") {
			t.Errorf("position %d, %s: %s", e.GetPosition(), e.GetType(), e.GetSummary())
		}
	}
}

// lostWithin is the silence after which a server is failed.
const lostWithin = 5 * time.Second

// statuses are those of three servers, alive but for some.
func statuses(but map[int]string) []string {
	all := []string{"alive", "alive", "alive"}
	for i, status := range but {
		all[i-1] = status
	}
	return all
}

// servers is the status of each server, by name, as the command line shows them.
func servers(t *testing.T, s *harness.Server, flags ...string) []string {
	t.Helper()
	var list struct {
		Items []struct{ NodeID, Status string }
	}
	s.JSON(t, &list, append([]string{"mesh", "peers", "list", "--role", "server"}, flags...)...)
	var all []string
	for i, p := range list.Items {
		if want := fmt.Sprintf("s%d", i+1); p.NodeID != want {
			t.Errorf("peer %d is %q, want %s", i, p.NodeID, want)
		}
		all = append(all, p.Status)
	}
	return all
}

// awaitServers waits until every server of a group shows these, and counts them.
func awaitServers(t *testing.T, c *harness.Cluster, g harness.Group, want ...string) {
	t.Helper()
	clients := map[int]*client.Client{}
	for _, i := range g.Servers() {
		clients[i] = c.Only(i).Connect()
	}
	took := harness.Eventually(t, lostWithin+settle, fmt.Sprintf("servers are %v", want), func() error {
		for i, own := range clients {
			if err := showsServers(t, own, want); err != nil {
				return fmt.Errorf("s%d: %w", i, err)
			}
		}
		return nil
	})
	t.Logf("%v after %s", want, took)
}

func showsServers(t *testing.T, own *client.Client, want []string) error {
	page, err := own.Peers.Collect(t.Context(), &controlv1.ListPeersRequest{Role: "server"})
	if err != nil {
		return err
	}
	var got []string
	for _, p := range page.Items {
		got = append(got, statusWord(p))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%v", got)
	}
	status, err := own.System.Status(t.Context(), &controlv1.GetStatusRequest{})
	if err != nil {
		return err
	}
	n := status.GetPeers()
	if int(n.GetAlive()) < among(want, "alive") || int(n.GetFailed()) != among(want, "failed") || len(status.GetServers()) != len(want) {
		return fmt.Errorf("counts %v, and lists %d servers", n, len(status.GetServers()))
	}
	return nil
}

func among(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// position is how far a server has come.
func position(t *testing.T, c *harness.Cluster, i int) int64 {
	t.Helper()
	s, err := c.Status(i)
	if err != nil {
		t.Fatal(err)
	}
	return s.GetPosition()
}
