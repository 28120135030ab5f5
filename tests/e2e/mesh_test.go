package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// ttl is the session TTL of these tests, and settle a generous bound for what
// should take about as long: the machine may be busy.
const (
	ttl    = 2 * time.Second
	settle = 30 * time.Second
)

// connect returns a client of a server.
func connect(t *testing.T, s *harness.Server) *client.Client {
	t.Helper()
	return harness.Connect(t, s.URL())
}

// createNamespace makes a namespace that is placed on role worker, and returns
// the position from which reads show it.
func createNamespace(t *testing.T, c *client.Client, name string, shards int32) int64 {
	t.Helper()
	receipt, err := c.Namespaces.Create(t.Context(), &controlv1.CreateNamespaceRequest{Namespace: name, ShardCount: shards})
	if err != nil {
		t.Fatal(err)
	}
	return receipt.GetPosition()
}

// table is a namespace's shards by id.
type table map[string]*controlv1.ShardRecord

func shards(ctx context.Context, c *client.Client, namespace string) (table, error) {
	page, err := c.Shards.Collect(ctx, &controlv1.ShardListRequest{Namespace: namespace, PageSize: 1000})
	if err != nil {
		return nil, err
	}
	all := table{}
	for _, r := range page.Items {
		all[r.GetShardId()] = r
	}
	return all, nil
}

// loads counts the shards of each owner; "" is nobody.
func (all table) loads() map[string]int {
	n := map[string]int{}
	for _, r := range all {
		n[r.GetOwnerNodeId()]++
	}
	return n
}

// balanced says why the shards are not spread over exactly these nodes, with at
// most one shard more on one than on another, at rest.
func (all table) balanced(want int, nodes ...string) error {
	loads := all.loads()
	if len(all) != want {
		return fmt.Errorf("%d shards, want %d", len(all), want)
	}
	if got := slices.Sorted(maps.Keys(loads)); !slices.Equal(got, nodes) {
		return fmt.Errorf("owners are %q, want %q (%v)", got, nodes, loads)
	}
	counts := slices.Sorted(maps.Values(loads))
	if counts[len(counts)-1]-counts[0] > 1 {
		return fmt.Errorf("max - min above 1: %v", loads)
	}
	for id, r := range all {
		if r.GetMoveToNodeId() != "" {
			return fmt.Errorf("shard %s is moving to %s", id, r.GetMoveToNodeId())
		}
	}
	return nil
}

// awaitBalanced waits until a namespace is spread over exactly these nodes.
func awaitBalanced(t *testing.T, c *client.Client, namespace string, want int, nodes ...string) (table, time.Duration) {
	t.Helper()
	var all table
	took := harness.Eventually(t, settle, "shards of "+namespace+" are balanced", func() (err error) {
		if all, err = shards(t.Context(), c, namespace); err != nil {
			return err
		}
		return all.balanced(want, nodes...)
	})
	return all, took
}

// moved lists the shards with another owner than before.
func moved(before, after table) []string {
	var ids []string
	for id, r := range after {
		if before[id].GetOwnerNodeId() != r.GetOwnerNodeId() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// ownedBy lists the shards of a node.
func (all table) ownedBy(node string) []string {
	var ids []string
	for id, r := range all {
		if r.GetOwnerNodeId() == node {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// events reads the whole log, without waiting for more.
func events(t *testing.T, c *client.Client) []*controlv1.LogEvent {
	t.Helper()
	var all []*controlv1.LogEvent
	for e, err := range c.Log.All(t.Context(), &controlv1.ListEventsRequest{
		From: 1, Limit: 1000, Read: &controlv1.ReadOptions{Consistency: controlv1.Consistency_CONSISTENCY_LINEARIZABLE},
	}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// count counts the events of a type.
func count(all []*controlv1.LogEvent, kind string) int {
	n := 0
	for _, e := range all {
		if e.GetType() == kind {
			n++
		}
	}
	return n
}

// contextWithin is the test's context with a deadline.
func contextWithin(t *testing.T, within time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), within)
}
