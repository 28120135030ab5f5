package e2e_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestClusterPartitionedLeader: a leader alone on its side answers nothing; the
// others go on, and when the cut ends all are one again.
func TestClusterPartitionedLeader(t *testing.T) {
	t.Parallel()
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := harness.StartCluster(t, 3, way...)
			load := c.StartLoad()
			load.AwaitMore(20)
			leader := c.Leader()
			majority := c.Except(leader)
			c.Partition([]int{leader})
			majority.AwaitLeader(leader)
			onMajority := majority.StartLoad()
			onMajority.AwaitMore(50)
			c.Only(leader).MustNotAnswer(4 * time.Second)
			c.Heal()
			onMajority.AwaitMore(20)
			onMajority.Verify(c.Connect())
			load.Verify(c.Connect())
			c.Converged(settle)
			c.OneLeader()
		})
	}
}

// TestClusterOneWayCuts: a wire that carries in one direction only, in each place
// where that matters: commands go on, and nothing is lost.
func TestClusterOneWayCuts(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	load := c.StartLoad()
	for _, cut := range []struct {
		name string
		do   func(leader, a, b int)
	}{
		{"the leader is not heard by one", func(leader, a, _ int) { c.CutOneWay(leader, a) }},
		{"the leader does not hear one", func(leader, a, _ int) { c.CutOneWay(a, leader) }},
		{"the leader is heard by nobody", func(leader, a, b int) { c.CutOneWay(leader, a); c.CutOneWay(leader, b) }},
		{"the leader hears nobody", func(leader, a, b int) { c.CutOneWay(a, leader); c.CutOneWay(b, leader) }},
		{"a standby does not hear the other", func(_, a, b int) { c.CutOneWay(a, b) }},
	} {
		load.AwaitMore(20)
		leader := c.Leader()
		others := c.Except(leader).Servers()
		cut.do(leader, others[0], others[1])
		t.Logf("%s: 50 commands after %s", cut.name, load.AwaitMore(50))
		c.Heal()
		c.AwaitLeader()
	}
	load.Verify(c.Connect())
	c.Converged(settle)
	c.OneLeader()
}

// TestClusterSlowWires: delays, loss and little bandwidth between all servers
// make a cluster slow, and nothing else.
func TestClusterSlowWires(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	for _, i := range c.Servers() {
		for _, j := range c.Except(i).Servers() {
			c.Delay(i, j, 5*time.Millisecond)
			c.Slow(i, j, 0.005, 4<<20)
		}
	}
	load := c.StartLoad()
	load.AwaitMore(50)
	load.Verify(c.Connect())
	c.Converged(settle)
	c.OneLeader()
}

// TestClusterNodeOnTheMinoritySide: a node that reaches only servers without a
// quorum loses its lease and its shards, in that order (S1 by the nodes' own
// traces), and has its share again after the cut.
func TestClusterNodeOnTheMinoritySide(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(ttl))
	nodes := map[string]*harness.Member{}
	for _, n := range []string{"n1", "n2", "n3"} {
		nodes[n] = c.StartMember(n)
	}
	createNamespace(t, c.Connect(), "demo", 12)
	awaitBalanced(t, c.Connect(), "demo", 12, "n1", "n2", "n3")
	for _, alone := range []int{c.Leader(), c.Except(c.Leader()).Servers()[0]} {
		majority := c.Except(alone)
		c.Partition([]int{alone})
		nodes["n1"].Reach(alone)
		nodes["n2"].Reach(majority.Servers()...)
		nodes["n3"].Reach(majority.Servers()...)
		_, took := awaitBalanced(t, majority.Connect(), "demo", 12, "n2", "n3")
		t.Logf("s%d and n1 are alone: the others own all after %s", alone, took)
		if err := nodes["n1"].Lapsed(); err != nil {
			t.Error(err)
		}
		c.Heal()
		awaitBalanced(t, c.Connect(), "demo", 12, "n1", "n2", "n3")
	}
	c.Converged(settle)
	c.OneOwner()
	c.OneLeader()
}
