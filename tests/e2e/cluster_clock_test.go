package e2e_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestClusterClockSkew: wall clocks that are hours apart, and jump, cost nobody a
// session, and log time never runs backwards (T7), also when leadership goes to a
// server whose clock is behind.
func TestClusterClockSkew(t *testing.T) {
	t.Parallel()
	c := harness.StartNodes(t, 3, ttl)
	c.Skew(1).Set(-2 * time.Hour)
	c.Skew(2).Set(3 * time.Hour)
	leader := c.Leader()
	createNamespace(t, c.Connect(), "demo", 8)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- member.Run(ctx, member.DefaultConfig("n1", filepath.Join(t.TempDir(), "n1"), c.URLs()...))
	}()
	awaitBalanced(t, c.Connect(), "demo", 8, "n1")

	c.Skew(leader).Set(26 * time.Hour)
	createNamespace(t, c.Connect(), "ahead", 4)
	c.Skew(leader).Set(-26 * time.Hour)
	createNamespace(t, c.Connect(), "behind", 4)
	c.Stop(leader)
	createNamespace(t, c.Connect(), "handed-over", 4)
	c.Start(leader)
	c.AwaitReady()
	awaitBalanced(t, c.Connect(), "handed-over", 4, "n1")

	var last time.Time
	for e, err := range c.Connect().Log.All(t.Context(), &controlv1.ListEventsRequest{}) {
		if err != nil {
			t.Fatal(err)
		}
		if at := e.GetTime().AsTime(); at.Before(last) {
			t.Errorf("position %d is dated %s, the one before %s", e.GetPosition(), at, last)
		} else {
			last = at
		}
		if e.GetType() == "SessionClosed" {
			t.Errorf("a session was closed at position %d", e.GetPosition())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the member ended: %v", err)
	}
}
