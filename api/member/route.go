package member

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omnirelay/omnirelay/commands/placement"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// staleAfter is the silence after which a table is said to be stale. Servers
// send bookmarks every second.
const staleAfter = 5 * time.Second

// Owner is where a key belongs.
type Owner struct {
	NodeID string
	Shard  uint32
	Fence  int64
	// Stale: no server was heard for some seconds; the table is the last good
	// one (V1).
	Stale bool
}

// Route says who owns the shard of a key. It reads a table in memory and takes
// well under a microsecond. [ErrUnowned] comes with the shard.
func (m *Member) Route(namespace, key string) (Owner, error) {
	r := m.routes.find(namespace)
	if r == nil {
		return Owner{}, notFollowed(namespace)
	}
	t := r.table.Load()
	if t == nil {
		return Owner{}, notFollowed(namespace)
	}
	return r.owner(t, placement.ShardForKey(key, t.count))
}

// RouteShard says who owns a shard.
func (m *Member) RouteShard(namespace string, shard uint32) (Owner, error) {
	r := m.routes.find(namespace)
	if r == nil {
		return Owner{}, notFollowed(namespace)
	}
	t := r.table.Load()
	if t == nil {
		return Owner{}, notFollowed(namespace)
	}
	return r.owner(t, shard)
}

// Follow makes a namespace known to Route and waits until its table is there.
// A namespace that does not exist yet has an empty one.
func (m *Member) Follow(ctx context.Context, namespace string) error {
	r := m.routes.follow(namespace)
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.finished:
		return ErrStopped
	}
}

func notFollowed(namespace string) error {
	return fmt.Errorf("%w: %q (allowed: those of Config.Namespaces, and after Follow)", ErrNotFollowed, namespace)
}

// route is a namespace that is followed.
type route struct {
	namespace string
	table     atomic.Pointer[table]
	stale     atomic.Bool
	ready     chan struct{}
}

func (r *route) owner(t *table, shard uint32) (Owner, error) {
	o := Owner{Shard: shard, Stale: r.stale.Load()}
	if shard >= t.count {
		return o, fmt.Errorf("%w: %s/%d (allowed: below %d)", ErrNoShard, r.namespace, shard, t.count)
	}
	c := t.cell(shard)
	if c.owner < 0 {
		return o, ErrUnowned
	}
	o.NodeID, o.Fence = t.nodes[c.owner], c.fence
	return o, nil
}

// routes are the namespaces that are followed; readers need no lock.
type routes struct {
	m   *Member
	all atomic.Pointer[map[string]*route]

	mu      sync.Mutex
	started bool
}

func newRoutes(m *Member) *routes {
	r := &routes{m: m}
	r.all.Store(&map[string]*route{})
	return r
}

func (s *routes) find(namespace string) *route { return (*s.all.Load())[namespace] }

func (s *routes) follow(namespace string) *route {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.find(namespace); r != nil {
		return r
	}
	r := &route{namespace: namespace, ready: make(chan struct{})}
	next := maps.Clone(*s.all.Load())
	next[namespace] = r
	s.all.Store(&next)
	if s.started {
		s.m.tasks.spawn(func(ctx context.Context) { s.m.followRoute(ctx, r) })
	}
	return r
}

// start begins to follow what was asked for before Run.
func (s *routes) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	for _, r := range *s.all.Load() {
		s.m.tasks.spawn(func(ctx context.Context) { s.m.followRoute(ctx, r) })
	}
}

// followRoute keeps the table of a namespace. While no server answers, the last
// good one stays (V1).
func (m *Member) followRoute(ctx context.Context, r *route) {
	pauses := waits{min: rewatchMin, max: rewatchMax}
	silence := time.AfterFunc(staleAfter, func() { r.stale.Store(true) })
	defer silence.Stop()
	heard := func() {
		silence.Reset(staleAfter)
		r.stale.Store(false)
		pauses.reset()
	}
	for ctx.Err() == nil {
		err := m.fill(ctx, r, heard)
		if ctx.Err() != nil {
			return
		}
		m.log.Warn("watch of a namespace ended, it begins anew", "namespace", r.namespace, "error", err)
		pauses.pause(ctx)
	}
}

// fill builds tables from a snapshot on. A table is given out when a decision is
// complete: keys of a namespace that grows must not be spread over a part of it.
func (m *Member) fill(ctx context.Context, r *route, heard func()) error {
	b, snapshot := newBuilder(), true
	req := &controlv1.ShardWatchRequest{Namespace: r.namespace, Bookmarks: true}
	for n, err := range m.client.Shards.Watch(ctx, req) {
		if err != nil {
			return err
		}
		bookmark := n.GetCurrent() == nil && n.GetPrevious() == nil
		if err := b.take(n, bookmark); err != nil {
			return err
		}
		if !bookmark && (snapshot || n.GetPosition() < n.GetEventPosition()) {
			continue
		}
		heard()
		if old := r.table.Load(); snapshot && old != nil && n.GetPosition() < old.position {
			return errOldSnapshot
		}
		if b.dirty || snapshot {
			r.table.Store(b.table(n.GetPosition()))
			m.news.tell()
		}
		if snapshot {
			snapshot = false
			m.routes.loaded(r)
		}
	}
	return nil
}

// loaded says that the table is there; only the goroutine that fills it calls.
func (s *routes) loaded(r *route) {
	select {
	case <-r.ready:
	default:
		close(r.ready)
		s.m.log.Info("namespace followed", "namespace", r.namespace, "shards", r.table.Load().count)
	}
}

// take takes a message of a watch.
func (b *builder) take(n *controlv1.ShardDiffNotification, bookmark bool) error {
	if bookmark {
		return nil
	}
	rec := n.GetCurrent()
	if rec == nil {
		rec = n.GetPrevious()
	}
	shard, err := shardID(rec)
	if err != nil {
		return err
	}
	if n.GetCurrent() == nil {
		b.remove(shard)
		return nil
	}
	b.set(shard, rec)
	return nil
}
