package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

const (
	fleetNodes  = 20
	fleetShards = 210 // does not divide: some nodes have one more
)

// fleet is a control plane and twenty agent processes.
type fleet struct {
	t       *testing.T
	cluster *harness.Cluster
	client  *client.Client
	agents  map[string]*harness.Agent
	shards  table // when it was at rest the last time
}

func fleetNode(i int) string { return fmt.Sprintf("n%02d", i%fleetNodes+1) }

// TestTwentyAgents: agents join, are killed, sleep through their leases, are drained,
// and lose a shard by force. Each time exactly the shards of those that go are moved
// (S5), and those that are not held are spread evenly over those that stay (S6); by the log no shard
// ever has two owners (S1), and what the log says is what is served. The long form
// has three servers, and kills the one that leads in each of its rounds.
func TestTwentyAgents(t *testing.T) {
	t.Parallel()
	servers, rounds := 1, 1
	if harness.Full() {
		servers, rounds = 3, 10
	}
	c := harness.StartCluster(t, servers, harness.WithSessionTTL(ttl))
	f := &fleet{t: t, cluster: c, client: c.Connect(), agents: map[string]*harness.Agent{}}
	createNamespace(t, f.client, "demo", fleetShards)
	// Nodes die here faster than any shard could kill them.
	f.cli("mesh", "shards", "quarantine-policy", "--disable", "--reason", "the deaths have nothing to do with the shards")
	for i := range fleetNodes * 3 / 5 {
		f.join(fleetNode(i))
	}
	f.rest()
	var joined []string
	for i := fleetNodes * 3 / 5; i < fleetNodes; i++ {
		f.join(fleetNode(i))
		joined = append(joined, fleetNode(i))
	}
	f.movedOnlyTo(joined...)
	for round := range rounds {
		leader := c.Leader()
		if servers > 1 {
			c.Kill(leader)
		}
		f.trouble(7 * round)
		if servers > 1 {
			c.Restart(leader)
		}
	}
	f.verify()
}

// trouble is one of everything, from a node on; all nodes are back at its end.
func (f *fleet) trouble(first int) {
	f.t.Helper()
	killed, asleep := []string{fleetNode(first), fleetNode(first + 1)}, fleetNode(first+2)
	drained := []string{fleetNode(first + 3), fleetNode(first + 4)}
	for _, n := range killed {
		f.agents[n].Kill()
	}
	f.agents[asleep].Pause()
	f.movedOnlyFrom(append(slices.Clone(killed), asleep)...)

	f.cli(append([]string{"mesh", "peers", "drain", "--wait", "--yes", "--deadline", settle.String()}, drained...)...)
	f.movedOnlyFrom(drained...)

	f.agents[asleep].Continue()
	for _, n := range killed {
		f.join(n)
	}
	f.movedOnlyTo(append(slices.Clone(killed), asleep)...)
	f.cli(append([]string{"mesh", "peers", "uncordon"}, drained...)...)
	f.movedOnlyTo(drained...)
	f.force(fleetNode(first+5), fleetNode(first+6))
}

// force takes a shard from an owner that sleeps, and wakes it.
func (f *fleet) force(owner, target string) {
	f.t.Helper()
	ref := f.shards.ownedBy(owner)[0]
	f.agents[owner].Pause()
	f.cli("mesh", "shards", "move", "demo/"+ref, "--to", target, "--force", "--yes", "--wait", "--timeout", settle.String())
	f.movedOnlyFrom(owner)
	if got := f.shards[ref].GetOwnerNodeId(); got != target {
		f.t.Errorf("shard %s is owned by %q, and was moved by force to %s", ref, got, target)
	}
	f.agents[owner].Continue()
	f.movedOnlyTo(owner)
	if got := f.shards[ref].GetOwnerNodeId(); got != target {
		f.t.Errorf("shard %s did not stay with %s, where it is held: %q owns it", ref, target, got)
	}
}

// join starts the agent of a node.
func (f *fleet) join(node string) { f.agents[node] = f.cluster.StartAgent(node) }

// nodes are those that may own shards now.
func (f *fleet) nodes(except ...string) []string {
	all := slices.Sorted(maps.Keys(f.agents))
	return slices.DeleteFunc(all, func(n string) bool { return slices.Contains(except, n) })
}

// rest waits until the shards are spread evenly over nodes, and returns how they
// were before.
func (f *fleet) rest(without ...string) table {
	f.t.Helper()
	before := f.shards
	harness.Eventually(f.t, settle, "shards of demo are balanced", func() (err error) {
		if f.shards, err = shards(f.t.Context(), f.client, "demo"); err != nil {
			return err
		}
		return f.balanced(f.nodes(without...)...)
	})
	return before
}

// balanced is [table.balanced] of the shards that are not held, which count in no
// load; those that are held have an owner, too.
func (f *fleet) balanced(nodes ...string) error {
	free := table{}
	for id, r := range f.shards {
		if r.GetHeldUntil() == nil {
			free[id] = r
		} else if r.GetOwnerNodeId() == "" {
			return fmt.Errorf("shard %s is held for nobody", id)
		}
	}
	if len(f.shards) != fleetShards {
		return fmt.Errorf("%d shards, want %d", len(f.shards), fleetShards)
	}
	return free.balanced(len(free), nodes...)
}

// movedOnlyFrom waits for a rest without some nodes: exactly what they had has
// another owner.
func (f *fleet) movedOnlyFrom(lost ...string) {
	f.t.Helper()
	gone := slices.DeleteFunc(f.nodes(), func(n string) bool {
		return !slices.Contains(lost, n) && len(f.shards.ownedBy(n)) > 0
	})
	before := f.rest(gone...)
	var want []string
	for _, n := range lost {
		want = append(want, before.ownedBy(n)...)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, moved(before, f.shards)); diff != "" {
		f.t.Errorf("not exactly the shards of %v moved (S5):\n%s", lost, diff)
	}
}

// movedOnlyTo waits for a rest with some nodes more: shards moved to them alone, and
// none more than their share.
func (f *fleet) movedOnlyTo(joined ...string) {
	f.t.Helper()
	gone := slices.DeleteFunc(f.nodes(), func(n string) bool {
		return slices.Contains(joined, n) || len(f.shards.ownedBy(n)) > 0
	})
	before := f.rest(gone...)
	var want []string
	for _, n := range joined {
		want = append(want, f.shards.ownedBy(n)...)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, moved(before, f.shards)); diff != "" {
		f.t.Errorf("shards moved elsewhere than to %v (S5):\n%s", joined, diff)
	}
}

// cli runs a command line that must succeed, against all servers.
func (f *fleet) cli(args ...string) {
	f.t.Helper()
	env := append(harness.Environ(f.t.TempDir()), "OMNIRELAY_ENDPOINT="+f.cluster.Endpoints())
	if r := harness.CLI(f.t, env, args...); r.Code != 0 {
		f.t.Fatalf("omnirelay %v: exit code %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
	}
}

// verify reads the owners out of the log, and compares them with what is served.
func (f *fleet) verify() {
	f.t.Helper()
	owners, problems := harness.Owners(events(f.t, f.client), "demo")
	for _, problem := range problems {
		f.t.Error(problem)
	}
	served := map[string]harness.Owned{}
	for id, r := range f.shards {
		served[id] = harness.Owned{Node: r.GetOwnerNodeId(), Session: r.GetSessionId(), Fence: r.GetFenceToken()}
	}
	if diff := cmp.Diff(owners, served); diff != "" {
		f.t.Errorf("the log says other owners than are served (T2):\n%s", diff)
	}
	for i := range fleetNodes {
		p, err := f.client.Peers.Get(f.t.Context(), &controlv1.GetPeerRequest{NodeId: fleetNode(i)})
		if err != nil {
			f.t.Fatal(err)
		}
		if p.GetStatus() != controlv1.PeerStatus_PEER_STATUS_ALIVE || p.GetLifecycle() != controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE {
			f.t.Errorf("%s is %s, %s", p.GetNodeId(), p.GetStatus(), p.GetLifecycle())
		}
	}
	f.t.Log("shards of nodes at the end: " + strconv.Itoa(len(f.shards)) + " " + fmt.Sprint(f.shards.loads()))
}
