package e2e_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestClusterKilledLeader: kill -9 of the leader under load, again and again:
// another leads, nothing acknowledged is lost and nothing is there twice, and
// the killed one comes back. The long form kills any server, 200 times.
func TestClusterKilledLeader(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	load := c.StartLoad()
	rounds := 10
	if harness.Full() {
		rounds = 200
	}
	var gaps []time.Duration
	for range rounds {
		load.AwaitMore(20)
		leader := c.Leader()
		victim := leader
		if harness.Full() {
			victim = 1 + rand.IntN(3)
		}
		load.LongestGap()
		c.Kill(victim)
		if victim == leader {
			c.AwaitLeader(victim)
		}
		load.AwaitMore(20)
		gaps = append(gaps, load.LongestGap())
		c.Restart(victim)
	}
	load.Verify(c.Connect())
	c.Converged(settle)
	c.OneLeader()
	slices.Sort(gaps)
	t.Logf("%d rounds; longest time without an acknowledgement around a kill: median %s, at most %s",
		rounds, gaps[rounds/2], gaps[rounds-1])
}

// TestClusterPausedLeader: a leader that sleeps through its authority wakes as a
// standby. It accepts no write that is not on the common log (L6), and closes no
// session that another server heard meanwhile.
func TestClusterPausedLeader(t *testing.T) {
	t.Parallel()
	pause := 4 * time.Second
	if harness.Full() {
		pause = 20 * time.Second
	}
	c := harness.StartCluster(t, 3, harness.WithSessionTTL(3*time.Second))
	createNamespace(t, c.Connect(), "demo", 12)
	for _, n := range []string{"n1", "n2", "n3"} {
		c.StartAgent(n)
	}
	before, _ := awaitBalanced(t, c.Connect(), "demo", 12, "n1", "n2", "n3")
	leader := c.Leader()
	load := c.StartLoad()
	load.AwaitMore(20)
	c.Pause(leader)
	toSleeper := c.Only(leader).StartLoad() // its commands wait there for the moment of waking
	c.AwaitLeader(leader)
	load.GoesOnFor(pause)
	c.Resume(leader)
	toSleeper.AwaitMore(20) // by whoever leads now
	toSleeper.Verify(c.Connect())
	load.Verify(c.Connect())
	c.Converged(settle)
	c.OneLeader()
	noneClosed(t, c)
	after, _ := awaitBalanced(t, c.Connect(), "demo", 12, "n1", "n2", "n3")
	if ids := moved(before, after); len(ids) > 0 {
		t.Errorf("L7: shards %v moved because the leader changed", ids)
	}
}

// TestClusterWipedServer: a server whose directory was emptied is not taken for
// its former self: it does not serve, and its vote makes no quorum.
func TestClusterWipedServer(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	load := c.StartLoad()
	load.AwaitMore(20)
	leader := c.Leader()
	others := c.Except(leader).Servers()
	wiped, other := others[0], others[1]
	c.Kill(wiped)
	c.Wipe(wiped)
	c.Launch(wiped)
	load.GoesOnFor(4 * time.Second) // time enough for it to be wrongly taken in
	load.Verify(c.Only(leader).Connect())
	c.Kill(other)
	c.Except(other).MustNotAnswer(4 * time.Second)
	c.Restart(other)
	again := c.Except(wiped).StartLoad()
	again.AwaitMore(20)
	again.Verify(c.Only(other).Connect())
	c.Except(wiped).Converged(settle)
	if s, err := c.Status(wiped); err == nil && s.GetReady() {
		t.Errorf("a server that lost its directory says that it is ready: %v", s)
	}
}

// TestClusterFullDisk: a server without room takes itself out and says so; the
// others go on, and it comes back with room.
func TestClusterFullDisk(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3, harness.WithSmallDisk(1, "64m"))
	load := c.StartLoad()
	load.AwaitMore(20)
	c.Disk(1).Fill(8 << 20)
	if code := c.Server(1).Wait(settle); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	load.AwaitMore(50)
	c.Disk(1).Free()
	c.Restart(1)
	load.AwaitMore(20)
	load.Verify(c.Connect())
	c.Converged(settle)
	c.OneLeader()
}
