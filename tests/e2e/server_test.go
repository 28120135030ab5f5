package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// load creates namespaces that nobody is eligible for, as fast as it is
// answered, and remembers which were acknowledged.
type load struct {
	mu    sync.Mutex
	acked map[string]int64 // guarded by mu: position of each acknowledged create
	open  int              // guarded by mu: creates whose outcome stayed unknown
}

func (l *load) run(ctx context.Context, t *testing.T, c *client.Client, worker int) {
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("load-%d-%d", worker, i)
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
		receipt, err := c.Namespaces.Create(call, &controlv1.CreateNamespaceRequest{
			Namespace: name, ShardCount: 1, EligibleRole: "nobody",
		})
		cancel()
		l.mu.Lock()
		if err == nil {
			l.acked[name] = receipt.GetPosition()
		} else {
			l.open++
			t.Logf("create %s: %v", name, err)
		}
		l.mu.Unlock()
	}
}

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

	l := &load{acked: map[string]int64{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() { l.run(ctx, t, c, i) })
	}
	rounds := 4
	if harness.Full() {
		rounds = 60
	}
	for round := range rounds {
		// Somewhere in the middle of the load, another place in each round.
		l.awaitMore(t, 20+7*round)
		s.Kill()
		began := time.Now()
		s.Restart(t)
		if took := time.Since(began); took > sessionTTL/2 {
			t.Fatalf("start took %s: too long to compare ownership with a session TTL of %s", took, sessionTTL)
		}
	}
	l.awaitMore(t, 20)
	cancel()
	workers.Wait()
	l.verify(t, c)

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

// awaitMore waits until so many more creates are acknowledged.
func (l *load) awaitMore(t *testing.T, more int) {
	t.Helper()
	size := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acked)
	}
	want := size() + more
	harness.Eventually(t, settle, fmt.Sprintf("%d more commands are acknowledged", more), func() error {
		if got := size(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
}

// verify compares what was acknowledged with the log.
func (l *load) verify(t *testing.T, c *client.Client) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	created := map[string]int{}
	for _, e := range events(t, c) {
		if e.GetType() == "NamespaceCreated" {
			created[e.GetId()]++
		}
	}
	for name, at := range l.acked {
		if created[name] == 0 {
			t.Errorf("A1: %s was acknowledged at position %d and is not on the log", name, at)
		}
	}
	for name, n := range created {
		if n > 1 {
			t.Errorf("A2: %s is on the log %d times", name, n)
		}
	}
	t.Logf("%d creates acknowledged, %d with an unknown outcome", len(l.acked), l.open)
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
