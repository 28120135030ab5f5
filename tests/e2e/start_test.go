package e2e_test

import (
	"context"
	"fmt"

	"sync"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestStart measures the start of a server, from the process to /readyz, empty
// and with a log, after a clean stop and after kill -9, and its idle memory. It
// asserts only that what was there is there.
func TestStart(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t)
	t.Logf("empty: %s of memory", s.Memory())
	want := 5_000
	if harness.Full() {
		want = 300_000
	}
	updateNamespaces(t, s, want)
	c := connect(t, s)
	for _, how := range []string{"clean stop", "kill -9"} {
		if how == "kill -9" {
			s.Kill()
		} else if code := s.Stop(settle); code != 0 {
			t.Errorf("exit code %d", code)
		}
		began := time.Now()
		s.Restart(t)
		took := time.Since(began)
		status, err := c.System.Status(t.Context(), &controlv1.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got := status.GetPosition(); got < int64(want) {
			t.Errorf("position %d after a %s, want at least %d", got, how, want)
		}
		t.Logf("%d events, after a %s: ready in %s, %s of memory", status.GetPosition(), how, took, s.Memory())
	}
}

// updateNamespaces makes so many events.
func updateNamespaces(t *testing.T, s *harness.Server, events int) {
	t.Helper()
	const workers = 100
	c := connect(t, s)
	for i := range workers {
		createNamespace(t, c, fmt.Sprintf("ns-%d", i), 1)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	commander := c.NewCommander()
	var running, working sync.WaitGroup
	running.Go(func() { _ = commander.Run(ctx) })
	for i := range workers {
		working.Go(func() {
			for n := range events / workers {
				hint := float64(n + 1)
				_, err := commander.Submit(ctx, &controlv1.Command{Command: &controlv1.Command_UpdateNamespace{
					UpdateNamespace: &controlv1.UpdateNamespaceRequest{Namespace: fmt.Sprintf("ns-%d", i), CapacityHint: &hint},
				}})
				if err != nil {
					t.Errorf("update %d of namespace %d: %v", n, i, err)
					return
				}
			}
		})
	}
	working.Wait()
	cancel()
	running.Wait()
}
