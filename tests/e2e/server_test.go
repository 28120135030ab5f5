package e2e_test

import (
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestKilledServer: what was acknowledged is there, nothing is there twice, and
// agents that stayed alive keep what they own without an event.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	const sessionTTL = 20 * time.Second
	s := harness.StartServer(t, "--session-ttl", sessionTTL.String())
	c := connect(t, s)
	createNamespace(t, c, "demo", 16)
	data := t.TempDir()
	harness.StartAgent(t, s, data, "n1")
	harness.StartAgent(t, s, data, "n2")
	before, _ := awaitBalanced(t, c, "demo", 16, "n1", "n2")

	load := harness.StartLoad(t, harness.LoadConfig{Workers: 8, Deadline: settle}, s.URL())
	rounds := 4
	if harness.Full() {
		rounds = 60
	}
	for round := range rounds {
		// Somewhere in the middle of the load, another place in each round.
		load.AwaitMore(20 + 7*round)
		s.Kill()
		began := time.Now()
		s.Restart(t)
		if took := time.Since(began); took > sessionTTL/2 {
			t.Fatalf("start took %s: too long to compare ownership with a session TTL of %s", took, sessionTTL)
		}
	}
	load.AwaitMore(20)
	load.Verify(c)

	after, _ := awaitBalanced(t, c, "demo", 16, "n1", "n2")
	for id, r := range after {
		if was := before[id]; r.GetFenceToken() != was.GetFenceToken() || r.GetVersion() != was.GetVersion() {
			t.Errorf("shard %s had fence %d, version %d, and has %d, %d after %d restarts", id,
				was.GetFenceToken(), was.GetVersion(), r.GetFenceToken(), r.GetVersion(), rounds)
		}
	}
	if n := count(events(t, c), "SessionClosed"); n != 0 {
		t.Errorf("%d sessions closed although their agents answered in time", n)
	}
}

// TestStopsCleanly: SIGTERM ends a server under watchers within its time, with
// exit code 0, and the next start finds a clean log.
func TestStopsCleanly(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t)
	c := connect(t, s)
	createNamespace(t, c, "demo", 4)
	harness.StartAgent(t, s, t.TempDir(), "n1") // heartbeats and watches
	awaitBalanced(t, c, "demo", 4, "n1")
	began := time.Now()
	if code := s.Stop(settle); code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("stopped in %s", time.Since(began))
	s.Restart(t)
	awaitBalanced(t, c, "demo", 4, "n1")
}
