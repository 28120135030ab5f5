package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

const demoShards = 64

// TestKilledAgent is the main job: a node dies, exactly its shards move, and it
// takes its share when it returns.
func TestKilledAgent(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t, "--session-ttl", ttl.String())
	c := connect(t, s)
	createNamespace(t, c, "demo", demoShards)
	data := t.TempDir()
	nodes := map[string]*harness.Process{}
	for _, n := range []string{"n1", "n2", "n3"} {
		nodes[n] = harness.StartAgent(t, s, data, n)
	}
	before, took := awaitBalanced(t, c, "demo", demoShards, "n1", "n2", "n3")
	t.Logf("placed on three nodes after %s", took)

	rounds := 1
	if harness.Full() {
		rounds = 20
	}
	for range rounds {
		nodes["n2"].Kill()
		after, took := awaitBalanced(t, c, "demo", demoShards, "n1", "n3")
		t.Logf("kill -9 to all owned by the others: %s (S2: at most %s from the last answered heartbeat)", took, ttl+time.Second)
		if diff := cmp.Diff(before.ownedBy("n2"), moved(before, after)); diff != "" {
			t.Fatalf("not exactly the dead node's shards moved (S5):\n%s", diff)
		}

		nodes["n2"] = harness.StartAgent(t, s, data, "n2")
		back, took := awaitBalanced(t, c, "demo", demoShards, "n1", "n2", "n3")
		t.Logf("started again to balanced: %s", took)
		if got := len(back.ownedBy("n2")); got > demoShards/3 {
			t.Fatalf("the returned node got %d shards, at most %d are its share (S5)", got, demoShards/3)
		}
		if diff := cmp.Diff(back.ownedBy("n2"), moved(after, back)); diff != "" {
			t.Fatalf("shards moved between nodes that stayed:\n%s", diff)
		}
		before = back
	}
}

// TestPausedAgentLosesItsShards: a process that sleeps through its lease finds
// its shards elsewhere when it wakes, and joins again by itself.
func TestPausedAgentLosesItsShards(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t, "--session-ttl", ttl.String())
	c := connect(t, s)
	createNamespace(t, c, "demo", 8)
	data := t.TempDir()
	first := harness.StartAgent(t, s, data, "n1")
	harness.StartAgent(t, s, data, "n2")
	awaitBalanced(t, c, "demo", 8, "n1", "n2")
	first.Pause()
	awaitBalanced(t, c, "demo", 8, "n2")
	first.Continue()
	awaitBalanced(t, c, "demo", 8, "n1", "n2")
}

// TestNodeWithoutServers: a node that reaches nobody stops owning before others
// begin (S1, by the nodes' own traces), and has its share again when it reaches a
// server.
func TestNodeWithoutServers(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 1, harness.WithSessionTTL(ttl))
	createNamespace(t, c.Connect(), "demo", 9)
	first, second := c.StartMember("n1"), c.StartMember("n2")
	c.StartAgent("n3")
	awaitBalanced(t, c.Connect(), "demo", 9, "n1", "n2", "n3")
	for _, cut := range []*harness.Member{first, second} {
		cut.Isolate()
		loads, took := awaitUnowned(t, c.Connect(), "demo", cut.Node)
		t.Logf("%s reaches nobody: the others own %v after %s", cut.Node, loads, took)
		if err := cut.Lapsed(); err != nil {
			t.Error(err)
		}
		cut.Reach()
		awaitBalanced(t, c.Connect(), "demo", 9, "n1", "n2", "n3")
	}
	c.OneOwner()
}

// awaitUnowned waits until a node owns nothing and every shard is owned.
func awaitUnowned(t *testing.T, c *client.Client, namespace, node string) (map[string]int, time.Duration) {
	t.Helper()
	var loads map[string]int
	took := harness.Eventually(t, settle, node+" owns nothing", func() error {
		all, err := shards(t.Context(), c, namespace)
		if err != nil {
			return err
		}
		if loads = all.loads(); loads[node] > 0 || loads[""] > 0 {
			return fmt.Errorf("owners are %v", loads)
		}
		return nil
	})
	return loads, took
}

// TestStoppedAgentReleases: SIGTERM moves the shards at once, without waiting
// for a lease.
func TestStoppedAgentReleases(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t, "--session-ttl", "1m")
	c := connect(t, s)
	createNamespace(t, c, "demo", 8)
	data := t.TempDir()
	first := harness.StartAgent(t, s, data, "n1")
	harness.StartAgent(t, s, data, "n2")
	awaitBalanced(t, c, "demo", 8, "n1", "n2")
	if code := first.Stop(settle); code != 0 {
		t.Errorf("exit code %d", code)
	}
	_, took := awaitBalanced(t, c, "demo", 8, "n2")
	t.Logf("SIGTERM to all owned by the other: %s, with a session TTL of a minute", took)
	peer, err := c.Peers.Get(t.Context(), &controlv1.GetPeerRequest{NodeId: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := peer.GetStatus(); got != controlv1.PeerStatus_PEER_STATUS_LEFT {
		t.Errorf("the node that left is %s", got)
	}
}

// TestNodeIDOfALiveSession: a second process with a node's id, and not its
// directory, is refused and changes nothing.
func TestNodeIDOfALiveSession(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t)
	c := connect(t, s)
	createNamespace(t, c, "demo", 8)
	harness.StartAgent(t, s, t.TempDir(), "n1")
	before, _ := awaitBalanced(t, c, "demo", 8, "n1")
	impostor := harness.StartAgent(t, s, t.TempDir(), "n1", "--takeover-wait", "500ms")
	if code := impostor.Wait(settle); code == 0 {
		t.Error("a second process with the id of a live session ended with exit code 0")
	}
	after, err := shards(t.Context(), c, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before["0"].GetFenceToken(), after["0"].GetFenceToken()); diff != "" {
		t.Errorf("the first owner's fence changed:\n%s", diff)
	}
}
