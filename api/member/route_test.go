package member_test

import (
	"errors"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/placement"

	"github.com/omnirelay/omnirelay/api/member"
)

// awaitRoute waits until a shard is routed to a node.
func (n *node) awaitRoute(ref member.Ref, node string) member.Owner {
	n.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		o, err := n.RouteShard(ref.Namespace, ref.Shard)
		if o.NodeID == node && (err == nil || node == "") {
			return o
		}
		select {
		case <-tick.C:
		case <-limit.C:
			n.t.Fatalf("%v is routed to %q (%v), expected %q", ref, o.NodeID, err, node)
		}
	}
}

// TestRoute: routes follow the log, and go on when every server is silent (V1).
func TestRoute(t *testing.T) {
	t.Parallel()
	const count = 1200
	m := newMesh(2 * time.Second)
	h := m.host(t)
	m.do(func() {
		for i := range uint32(count) {
			m.change(shard(i), func(r *controlv1.ShardRecord) {
				r.OwnerNodeId, r.FenceToken = []string{"n7", "n8"}[i%2], m.position
			})
		}
	})
	cfg := config(t.TempDir(), h.url())
	cfg.Namespaces = []string{"demo"}
	n := join(t, cfg, false)
	if err := n.Follow(bounded(t), "demo"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "a", "customer-17", "ü"} {
		want := placement.ShardForKey(key, count)
		o, err := n.Route("demo", key)
		if err != nil || o.Shard != want || o.NodeID != []string{"n7", "n8"}[want%2] || o.Fence == 0 || o.Stale {
			t.Errorf("key %q is routed to %+v (%v), expected shard %d", key, o, err, want)
		}
	}
	if _, err := n.RouteShard("demo", count); !errors.Is(err, member.ErrNoShard) {
		t.Errorf("a shard beyond the last: %v, expected ErrNoShard", err)
	}
	if _, err := n.Route("other", "k"); !errors.Is(err, member.ErrNotFollowed) {
		t.Errorf("a namespace that is not followed: %v, expected ErrNotFollowed", err)
	}

	fence := m.assign(shard(700), "n9")
	if o := n.awaitRoute(shard(700), "n9"); o.Fence != fence {
		t.Errorf("routed to %+v, expected fence %d", o, fence)
	}
	m.do(func() { m.change(shard(700), func(r *controlv1.ShardRecord) { r.OwnerNodeId = "" }) })
	n.awaitRoute(shard(700), "")
	if _, err := n.RouteShard("demo", 700); !errors.Is(err, member.ErrUnowned) {
		t.Errorf("an unowned shard: %v, expected ErrUnowned", err)
	}

	h.stop()
	if o, err := n.RouteShard("demo", 3); err != nil || o.NodeID != "n8" {
		t.Fatalf("without a server: %+v (%v)", o, err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		o, err := n.RouteShard("demo", 3)
		if err != nil || o.NodeID != "n8" || time.Now().After(deadline) {
			t.Fatalf("without a server: %+v (%v)", o, err)
		}
		if o.Stale {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	h.start()
	m.assign(shard(3), "n7")
	if o := n.awaitRoute(shard(3), "n7"); o.Stale {
		t.Errorf("a table that was renewed is stale: %+v", o)
	}
}

// TestFollow: a namespace that does not exist yet, is created, grows and is
// deleted.
func TestFollow(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	n := join(t, config(t.TempDir(), m.host(t).url()), false)
	n.ready()
	if err := n.Follow(bounded(t), "demo"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Route("demo", "k"); !errors.Is(err, member.ErrNoShard) {
		t.Fatalf("an empty namespace: %v, expected ErrNoShard", err)
	}
	m.assign(shard(0), "n7")
	n.awaitRoute(shard(0), "n7")
	m.assign(shard(600), "n8")
	n.awaitRoute(shard(600), "n8")
	m.do(func() { m.remove(shard(600)) })
	n.awaitRoute(shard(600), "")
	m.do(func() { m.remove(shard(0)) })
	n.awaitRoute(shard(0), "")
	if _, err := n.Route("demo", "k"); !errors.Is(err, member.ErrNoShard) {
		t.Fatalf("a namespace that was deleted: %v, expected ErrNoShard", err)
	}
}
