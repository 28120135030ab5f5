package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestDrainUnderLoad: one of three nodes is drained while the control plane is
// written to and its leader is killed on the way. No shard is without an owner for
// longer than a lease, by the nodes' own traces, and none ever has two.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(ttl))
	cl := c.Connect()
	createNamespace(t, cl, "demo", 60)
	for _, n := range []string{"n1", "n2", "n3"} {
		c.StartMember(n)
	}
	awaitBalanced(t, cl, "demo", 60, "n1", "n2", "n3")
	load := c.StartLoad()
	load.AwaitMore(20)
	leader := c.Leader()
	if _, err := cl.Peers.Drain(t.Context(), &controlv1.DrainPeerRequest{NodeId: "n1", DeadlineMs: 60_000}); err != nil {
		t.Fatal(err)
	}
	c.Kill(leader)
	took := harness.Eventually(t, settle, "n1 is drained", func() error {
		p, err := cl.Peers.Get(t.Context(), &controlv1.GetPeerRequest{NodeId: "n1"})
		if err == nil && p.GetLifecycle() != controlv1.PeerLifecycle_PEER_LIFECYCLE_DRAINED {
			err = fmt.Errorf("n1 is %s: %v", p.GetLifecycle(), p.GetDrain())
		}
		return err
	})
	t.Logf("drained after %s, with the death of the control leader", took)
	awaitBalanced(t, cl, "demo", 60, "n2", "n3")
	c.Restart(leader)
	if _, err := cl.Peers.Uncordon(t.Context(), &controlv1.UncordonPeerRequest{NodeId: "n1"}); err != nil {
		t.Fatal(err)
	}
	awaitBalanced(t, cl, "demo", 60, "n1", "n2", "n3")
	load.Stop()
	load.Verify(cl)
	c.OneOwner()
	if gap := c.LongestGap(); gap > ttl {
		t.Errorf("a shard was without an owner for %s", gap)
	} else {
		t.Logf("the longest time without an owner: %s", gap)
	}
}

// restarter restarts agents for whoever asks by a file, as an operator's own tool
// would, until it is stopped.
type restarter struct {
	t      *testing.T
	server *harness.Server
	dir    string
	agents map[string]*harness.Process
	fails  string // the node for which it fails, once
}

// hook is the command that asks for the node of its environment and waits.
func (r *restarter) hook() string {
	return fmt.Sprintf(`touch %[1]s/$OMNIRELAY_NODE_ID.ask && until [ -e %[1]s/$OMNIRELAY_NODE_ID.done ]; do sleep 0.02; done && exit "$(cat %[1]s/$OMNIRELAY_NODE_ID.done)"`, r.dir)
}

// serve answers what was asked for since.
func (r *restarter) serve() {
	asks, err := filepath.Glob(filepath.Join(r.dir, "*.ask"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, ask := range asks {
		node, exit := strings.TrimSuffix(filepath.Base(ask), ".ask"), "0\n"
		if err := os.Remove(ask); err != nil {
			r.t.Fatal(err)
		}
		if node == r.fails {
			r.fails, exit = "", "3\n"
		} else {
			r.agents[node].Kill()
			r.agents[node] = harness.StartAgent(r.t, r.server, r.dir, node)
		}
		done := filepath.Join(r.dir, node+".done")
		if err := os.WriteFile(done+".new", []byte(exit), 0o600); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Rename(done+".new", done); err != nil {
			r.t.Fatal(err)
		}
	}
}

// run runs an upgrade, and serves its hooks meanwhile.
func (r *restarter) run(args ...string) harness.Result {
	r.t.Helper()
	old, err := filepath.Glob(filepath.Join(r.dir, "*.done"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			r.t.Fatal(err)
		}
	}
	ended := make(chan harness.Result, 1)
	go func() {
		ended <- r.server.CLI(r.t, append([]string{"mesh", "upgrade", "run", "--yes", "--hook", r.hook(), "--deadline", "30s", "--rejoin-within", "30s"}, args...)...)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case res := <-ended:
			return res
		case <-tick.C:
			r.serve()
		}
	}
}

// TestUpgradeRun: batch by batch each agent is drained, killed and started again,
// and opened; a hook that fails stops it with what is left to do, and another run
// goes on. A node that dies drained loses nothing.
func TestUpgradeRun(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t, "--session-ttl", ttl.String())
	c := connect(t, s)
	createNamespace(t, c, "demo", 24)
	r := &restarter{t: t, server: s, dir: t.TempDir(), agents: map[string]*harness.Process{}, fails: "n3"}
	nodes := []string{"n1", "n2", "n3", "n4"}
	for _, n := range nodes {
		r.agents[n] = harness.StartAgent(t, s, r.dir, n)
	}
	awaitBalanced(t, c, "demo", 24, nodes...)

	res := r.run("--batch", "50%")
	if res.Code != 1 || !strings.Contains(res.Stderr, "batch 2 of 2 (n3, n4): the hook for n3: exit status 3; left to do: n3, n4") {
		t.Fatalf("exit %d\n%s\n%s", res.Code, res.Stdout, res.Stderr)
	}
	if !strings.Contains(res.Stdout, "batch 1 of 2: n1, n2 upgraded") {
		t.Errorf("it says\n%s", res.Stdout)
	}
	before := sessionsOf(t, s, nodes)
	res = r.run("--batch", "2")
	if res.Code != 0 || !strings.Contains(res.Stdout, "batch 1 of 2: n3, n4 upgraded") {
		t.Fatalf("exit %d\n%s\n%s", res.Code, res.Stdout, res.Stderr)
	}
	after := sessionsOf(t, s, nodes)
	for _, n := range nodes {
		if before[n] == after[n] {
			t.Errorf("%s has the session of before, %d", n, after[n])
		}
	}
	awaitBalanced(t, c, "demo", 24, nodes...)
	for e, err := range c.Log.All(t.Context(), &controlv1.ListEventsRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.GetType() == "ShardsReleased" && strings.Contains(e.GetSummary(), "expired") || e.GetType() == "NodeDrainStalled" {
			t.Errorf("%d: %s", e.GetPosition(), e.GetSummary())
		}
	}
	// The version that all have is the target: nothing is left to do.
	version := strings.TrimSpace(s.MustCLI(t, "mesh", "peers", "get", "n1", "-o", "json"))
	_, version, _ = strings.Cut(version, `"meshVersion":"`)
	version, _, _ = strings.Cut(version, `"`)
	if out := s.MustCLI(t, "mesh", "upgrade", "run", "--yes", "--target-version", version); !strings.Contains(out, "nothing to upgrade") {
		t.Errorf("it says\n%s", out)
	}
}

func sessionsOf(t *testing.T, s *harness.Server, nodes []string) map[string]int64 {
	t.Helper()
	c := connect(t, s)
	all := map[string]int64{}
	for _, n := range nodes {
		p, err := c.Peers.Get(t.Context(), &controlv1.GetPeerRequest{NodeId: n})
		if err != nil {
			t.Fatal(err)
		}
		all[n] = p.GetSessionId()
	}
	return all
}
