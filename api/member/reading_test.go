package member_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/member"
)

// TestRead: a callback for each shard that the log says this node reads, until it
// says otherwise; over cuts, errors and panics.
func TestRead(t *testing.T) {
	t.Parallel()
	m := newMesh(2 * time.Second)
	h := m.host(t)
	readers := func(id uint32, nodes ...string) {
		m.do(func() { m.change(shard(id), func(r *controlv1.ShardRecord) { r.ReaderNodeIds = nodes }) })
	}
	readers(1, "n1", "n9")
	readers(2, "n9")
	type event struct {
		shard uint32
		cause error
	}
	begun, over := make(chan event, 100), make(chan event, 100)
	cfg := config(t.TempDir(), h.url())
	cfg.Namespaces = []string{"demo"}
	var calls atomic.Int32
	cfg.Read = func(ctx context.Context, r member.Reading) error {
		begun <- event{shard: r.Shard}
		if calls.Add(1) == 1 {
			panic("the first")
		}
		<-ctx.Done()
		over <- event{r.Shard, context.Cause(ctx)}
		return nil
	}
	n := join(t, cfg, false)
	next := func(from chan event) event {
		t.Helper()
		select {
		case e := <-from:
			return e
		case <-time.After(20 * time.Second):
			t.Fatal("nothing happened")
			return event{}
		}
	}
	for range 2 { // the one that panicked is called again
		if e := next(begun); e.shard != 1 {
			t.Fatalf("reads shard %d", e.shard)
		}
	}
	h.stop()
	h.start()
	readers(2, "n1")
	if e := next(begun); e.shard != 2 {
		t.Fatalf("reads shard %d", e.shard)
	}
	readers(1, "n9")
	if e := next(over); e.shard != 1 || !errors.Is(e.cause, member.ErrReleased) {
		t.Fatalf("shard %d ended with %v", e.shard, e.cause)
	}
	m.do(func() { m.remove(shard(2)) })
	if e := next(over); e.shard != 2 {
		t.Fatalf("shard %d ended", e.shard)
	}
	n.ready()
	m.assign(shard(3), "n1")
	n.next() // what it owns is no reading
	if len(begun) != 0 || len(over) != 0 {
		t.Error("more was read")
	}
}

// TestRouteRead: readers and owner of a key's shard; without an owner the readers
// alone.
func TestRouteRead(t *testing.T) {
	t.Parallel()
	m := newMesh(2 * time.Second)
	h := m.host(t)
	m.do(func() { m.change(shard(0), func(r *controlv1.ShardRecord) { r.ReaderNodeIds = []string{"n7", "n8"} }) })
	cfg := config(t.TempDir(), h.url())
	cfg.Namespaces = []string{"demo"}
	n := join(t, cfg, false)
	if err := n.Follow(bounded(t), "demo"); err != nil {
		t.Fatal(err)
	}
	r, err := n.RouteRead("demo", "k")
	if err != nil || r.Owner != "" || !slices.Equal(r.Readers, []string{"n7", "n8"}) {
		t.Errorf("unowned: %+v (%v)", r, err)
	}
	m.assign(shard(0), "n5")
	n.awaitRoute(shard(0), "n5")
	if r, err = n.RouteRead("demo", "k"); err != nil || r.Owner != "n5" || len(r.Readers) != 2 {
		t.Errorf("owned: %+v (%v)", r, err)
	}
	m.do(func() {
		m.change(shard(0), func(r *controlv1.ShardRecord) { r.OwnerNodeId, r.ReaderNodeIds = "", nil })
	})
	n.awaitRoute(shard(0), "")
	if _, err := n.RouteRead("demo", "k"); !errors.Is(err, member.ErrUnowned) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := n.RouteRead("other", "k"); !errors.Is(err, member.ErrNotFollowed) {
		t.Errorf("not followed: %v", err)
	}
}
