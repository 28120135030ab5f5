package e2e_test

import (
	"fmt"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// ways are the networks of a cluster: wires of this process, and hosts with the
// kernel's own network, where this process may make them.
func ways() map[string][]harness.Option {
	return map[string][]harness.Option{"wires": nil, "hosts": {harness.WithHosts()}}
}

// TestClusterOfOne: what the other tests of clusters say of three servers can be
// said of one.
func TestClusterOfOne(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := harness.StartCluster(t, 1, append(way, harness.WithSessionTTL(ttl))...)
			createNamespace(t, c.Connect(), "demo", 8)
			c.StartAgent("n1")
			c.StartMember("n2")
			awaitBalanced(t, c.Connect(), "demo", 8, "n1", "n2")
			load := c.StartLoad()
			load.AwaitMore(20)
			c.Kill(1)
			c.Restart(1)
			load.AwaitMore(20)
			load.Verify(c.Connect())
			if got := c.Converged(settle).GetLeader(); got != "s1" {
				t.Errorf("%q leads", got)
			}
			c.OneOwner()
			c.OneLeader()
		})
	}
}

// TestClusterTakesAnyCallAnywhere: three servers come up from nothing, and each
// takes commands, reads and heartbeats of its own clients.
func TestClusterTakesAnyCallAnywhere(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(ttl))
	for _, i := range c.Servers() {
		c.StartAgent(fmt.Sprintf("n%d", i), i)
	}
	var at int64
	for _, i := range c.Servers() {
		at = max(at, createNamespace(t, c.Only(i).Connect(), fmt.Sprintf("made-at-%d", i), 9))
	}
	for _, i := range c.Servers() {
		own := c.Only(i).Connect()
		for name, read := range map[string]*controlv1.ReadOptions{
			"at a position": {MinPosition: at},
			"linearizable":  {Consistency: controlv1.Consistency_CONSISTENCY_LINEARIZABLE},
		} {
			page, err := own.Namespaces.Collect(t.Context(), &controlv1.ListNamespacesRequest{Read: read})
			if err != nil || len(page.Items) != 3 {
				t.Errorf("s%d, read %s: %d namespaces, want 3: %v", i, name, len(page.Items), err)
			}
		}
		awaitBalanced(t, own, fmt.Sprintf("made-at-%d", i), 9, "n1", "n2", "n3")
	}
	c.Converged(settle)
	c.OneLeader()
}

// TestClusterStatus: each server's status names all servers, one of them as
// leader, in the form that scripts read.
func TestClusterStatus(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	leader := c.Leader()
	for _, i := range c.Servers() {
		harness.Eventually(t, settle, "the status is complete", func() error { return complete(t, c.Server(i), leader) })
	}
}

// complete says what is missing in a server's status.
func complete(t *testing.T, s *harness.Server, leader int) error {
	var status struct {
		ClusterID string
		Leader    string
		Ready     bool
		Servers   []struct {
			Name, Role, HeadHash string
			Ready                bool
			Position, LagEvents  int64
		}
	}
	s.JSON(t, &status, "mesh", "status")
	want := fmt.Sprintf("s%d", leader)
	if status.ClusterID != "c1" || status.Leader != want || !status.Ready || len(status.Servers) != 3 {
		return fmt.Errorf("%s says %+v; want it ready, three servers and leader %s", s.Name, status, want)
	}
	for _, row := range status.Servers {
		role := "standby"
		if row.Name == want {
			role = "leader"
		}
		if row.Role != role || !row.Ready || row.HeadHash == "" || row.Position == 0 || row.LagEvents != 0 {
			return fmt.Errorf("%s says of %s %+v, want it ready as %s", s.Name, row.Name, row, role)
		}
	}
	return nil
}

// TestClusterRollingRestart: three servers are stopped and started one after the
// other under load; no command fails within its deadline, no session closes.
func TestClusterRollingRestart(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(5*time.Second))
	createNamespace(t, c.Connect(), "demo", 8)
	c.StartAgent("n1")
	c.StartAgent("n2")
	awaitBalanced(t, c.Connect(), "demo", 8, "n1", "n2")
	load := c.StartLoad()
	for _, i := range c.Servers() {
		load.AwaitMore(50)
		c.Stop(i)
		c.Restart(i)
	}
	load.AwaitMore(50)
	load.Verify(c.Connect())
	for _, err := range load.Failures() {
		t.Errorf("a command failed: %v", err)
	}
	c.Converged(settle)
	c.OneLeader()
	noneClosed(t, c)
}

// noneClosed checks that no session ever closed: its node lived, and reached a
// server that could answer.
func noneClosed(t *testing.T, c *harness.Cluster) {
	t.Helper()
	if closed := c.Events("SessionClosed"); len(closed) > 0 {
		t.Errorf("%d sessions closed although their agents lived: %v", len(closed), closed)
	}
}
