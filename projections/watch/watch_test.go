package watch_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/projections/watch"
)

// mesh is a running projector with hubs.
type mesh struct {
	tb     projectiontest.TB
	log    *projectiontest.Log
	p      *projections.Projector
	shards *watch.Hub[*controlv1.ShardRecord]
	events *watch.Hub[events.Recorded]
	ctx    context.Context
	stop   func()
}

func start(tb projectiontest.TB, cfg watch.Config) *mesh {
	tb.Helper()
	m := &mesh{tb: tb, log: projectiontest.NewLog(tb)}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	m.ctx = ctx
	var err error
	if m.p, err = projections.Open(ctx, m.log, projectiontest.Config(vfs.NewMem(), shardmap.Table{})); err != nil {
		tb.Fatalf("open: %v", err)
	}
	kind := watch.Kind[*controlv1.ShardRecord]{
		Name: "shards", Table: shardmap.ID, Parse: shardmap.Codec{}.Parse, List: shardmap.EachRoute,
	}
	if m.shards, err = watch.NewRows(m.p, kind, cfg); err != nil {
		tb.Fatalf("hub of shards: %v", err)
	}
	if m.events, err = watch.NewLog(m.p, m.log, cfg); err != nil {
		tb.Fatalf("hub of events: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- m.p.Run(ctx) }()
	m.stop = func() {
		cancel()
		if err := errors.Join(<-done, m.p.Close()); err != nil {
			tb.Fatalf("stop: %v", err)
		}
	}
	m.wait()
	return m
}

// wait returns when the view shows the whole log.
func (m *mesh) wait() {
	m.tb.Helper()
	if err := m.p.WaitFor(m.ctx, m.log.Head.Position); err != nil {
		m.tb.Fatalf("wait: %v", err)
	}
}

// want is what a watch after a position must give, read from the view.
func (m *mesh) want(f shardmap.Filter, after, to events.Position) []string {
	v := projectiontest.View(m.tb, m.p)
	defer v.Release()
	after, err := v.AsOf(after)
	if err != nil {
		m.tb.Fatalf("as of %d: %v", after, err)
	}
	var changes []*controlv1.ShardDiffNotification
	if _, err := shardmap.Diff(v, f, after, to, 0, func(n *controlv1.ShardDiffNotification) error {
		changes = append(changes, n)
		return nil
	}); err != nil {
		m.tb.Fatalf("diff: %v", err)
	}
	var out []string
	for i, n := range changes {
		d, err := v.Decision(events.Position(n.EventPosition))
		if err != nil {
			m.tb.Fatalf("decision: %v", err)
		}
		resume := d.Last
		if i+1 < len(changes) && events.Position(changes[i+1].EventPosition) <= d.Last {
			resume = d.First - 1
		}
		out = append(out, line(resume, events.Position(n.EventPosition), n.Previous, n.Current))
	}
	return out
}

func line(resume, at events.Position, previous, current *controlv1.ShardRecord) string {
	return fmt.Sprintf("%d@%d %s -> %s", resume, at, text(previous), text(current))
}

func text(r *controlv1.ShardRecord) string {
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("%s/%s v%d %s %s", r.Namespace, r.ShardId, r.Version, r.OwnerNodeId, r.Checksum)
}

func filters(draw func(int) int) shardmap.Filter {
	return []shardmap.Filter{
		{}, {Namespace: "ns1"}, {Owner: "n2"}, {Namespace: "ns0", Owner: "n1"},
		{Statuses: []controlv1.ShardStatus{controlv1.ShardStatus_SHARD_STATUS_DRAINING}}, {Search: "1"}, {Involves: "n1"},
	}[draw(7)]
}

// client is a watcher that is cut now and then and resumes.
type client struct {
	mesh     *mesh
	filter   shardmap.Filter
	start    watch.Start
	from     events.Position // where its changes begin
	cutAfter int             // items between cuts; 0 never
	slow     bool
	goal     atomic.Uint64 // ends at a bookmark there; 0 is not yet

	lines []string
	at    []events.Position // of each line, the event's
}

var (
	errCut  = errors.New("connection cut")
	errGoal = errors.New("goal reached")
)

func (c *client) run() error {
	o := watch.Options[*controlv1.ShardRecord]{
		Start: c.start, Position: c.from, Match: c.filter.Match, Route: c.filter.Route(), Bookmarks: true,
	}
	for {
		items := 0
		resume := o.Position
		rows := 0
		err := c.mesh.shards.Watch(c.mesh.ctx, o, func(it watch.Item[*controlv1.ShardRecord]) error {
			if items++; c.cutAfter > 0 && items > c.cutAfter && o.Start == watch.After {
				return errCut
			}
			switch it.Kind {
			case watch.Row:
				rows++
			case watch.Bookmark:
				if o.Start == watch.Snapshot && resume == 0 {
					c.from = it.Position
				}
				resume = it.Position
				if goal := events.Position(c.goal.Load()); goal > 0 && it.Position >= goal {
					return errGoal
				}
			case watch.Changed:
				resume = it.Position
				c.lines = append(c.lines, line(it.Position, it.Event.Position, it.Previous, it.Current))
				c.at = append(c.at, it.Event.Position)
				if c.slow {
					runtime.Gosched()
				}
			}
			return nil
		})
		if !errors.Is(err, errCut) {
			return err
		}
		for len(c.at) > 0 && c.at[len(c.at)-1] > resume {
			c.lines, c.at = c.lines[:len(c.lines)-1], c.at[:len(c.at)-1]
		}
		o.Start, o.Position, c.cutAfter = watch.After, resume, c.cutAfter+1
	}
}

// TestEachChangeOnce: watchers with random filters, starts, bounds and cuts are
// given what the stored changes say, once and in order (A5).
func TestEachChangeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }
		cfg := watch.DefaultConfig()
		cfg.QueueDecisions, cfg.QueueRows = 1+draw(3), 1+draw(50)
		cfg.BookmarkEvery = time.Millisecond
		m := start(t, cfg)
		defer m.stop()
		sim := projectiontest.NewSim(draw, 40)
		for range draw(5) {
			sim.Frame(t, m.log)
		}
		m.wait()
		clients := make([]*client, 4)
		var g errgroup.Group
		for i := range clients {
			c := &client{mesh: m, filter: filters(draw), cutAfter: draw(8), slow: draw(2) == 0}
			if draw(2) == 0 {
				c.start, c.from = watch.After, events.Position(draw(int(m.log.Head.Position)+1))
			}
			clients[i] = c
			g.Go(c.run)
		}
		for range 1 + draw(8) {
			sim.Frame(t, m.log)
		}
		// The goal is set before the log gets there: a bookmark is given once.
		for _, c := range clients {
			c.goal.Store(uint64(m.log.Next()))
		}
		m.log.Append(t, projectiontest.Decide("user/ann", projectiontest.Policy(1)))
		m.wait()
		if err := g.Wait(); !errors.Is(err, errGoal) {
			t.Fatalf("watch: %v", err)
		}
		for _, c := range clients {
			if d := cmp.Diff(m.want(c.filter, c.from, m.log.Head.Position), c.lines); d != "" {
				t.Fatalf("changes after %d with %+v (-want +got):\n%s", c.from, c.filter, d)
			}
		}
	})
}

// follow runs a watch until n items came, and returns them.
func follow[T any](m *mesh, h *watch.Hub[T], o watch.Options[T], n int, during func()) []watch.Item[T] {
	m.tb.Helper()
	items := make(chan watch.Item[T], n+1)
	done := make(chan error, 1)
	go func() {
		got := 0
		done <- h.Watch(m.ctx, o, func(it watch.Item[T]) error {
			items <- it
			if got++; got == n {
				return errGoal
			}
			return nil
		})
	}()
	var out []watch.Item[T]
	if o.Start != watch.After {
		out = append(out, <-items) // it has begun
	}
	during()
	if err := <-done; !errors.Is(err, errGoal) {
		m.tb.Fatalf("watch: %v", err)
	}
	for len(out) < n {
		out = append(out, <-items)
	}
	return out
}

func created(shards uint32) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{
		Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: shards, StrategyId: "optimal"},
	}}}
}

func TestLogIsTailedAcrossStoredAndLive(t *testing.T) {
	m := start(t, watch.DefaultConfig())
	defer m.stop()
	m.log.Append(t, projectiontest.Decide("user/ann", projectiontest.Policy(1), projectiontest.Policy(2)))
	m.wait()
	got := follow(m, m.events, watch.Options[events.Recorded]{Start: watch.After, Position: 1}, 4, func() {
		m.log.Append(t, projectiontest.Decide("user/bob", projectiontest.Policy(3)), projectiontest.Decide("user/ann", projectiontest.Policy(4)))
	})
	type seen struct {
		Resume, At events.Position
		Actor      string
	}
	var out []seen
	for _, it := range got {
		out = append(out, seen{it.Position, it.Current.Position, it.Event.Actor})
	}
	want := []seen{{1, 2, "user/ann"}, {3, 3, "user/ann"}, {4, 4, "user/bob"}, {5, 5, "user/ann"}}
	if d := cmp.Diff(want, out); d != "" {
		t.Fatalf("events after 1 (-want +got):\n%s", d)
	}
}

// TestLargeDecisionIsReadFromTheView: more rows than a queue may hold, and than
// a listener is handed, come all the same, in order, once.
func TestLargeDecisionIsReadFromTheView(t *testing.T) {
	const shards = projections.MaxLiveRows + 500
	m := start(t, watch.DefaultConfig())
	defer m.stop()
	f := shardmap.Filter{Namespace: "demo"}
	o := watch.Options[*controlv1.ShardRecord]{Start: watch.Head, Match: f.Match, Route: f.Route()}
	got := follow(m, m.shards, o, shards+1, func() {
		m.log.Append(t, projectiontest.Decide("user/ann", created(shards)))
	})
	var lines []string
	for _, it := range got[1:] {
		lines = append(lines, line(it.Position, it.Event.Position, it.Previous, it.Current))
	}
	m.wait()
	if d := cmp.Diff(m.want(f, 1, m.log.Head.Position), lines); d != "" {
		t.Fatalf("changes (-want +got):\n%s", d)
	}
}

// TestLeavingRowIsSentOnce: a shard that goes to another owner is told to the
// watcher of the old one, with the row that matched.
func TestLeavingRowIsSentOnce(t *testing.T) {
	m := start(t, watch.DefaultConfig())
	defer m.stop()
	assign := func(node string) *eventsv1.Event {
		return &eventsv1.Event{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
			Namespace: "demo", Assignments: []*eventsv1.ShardAssignment{{NodeId: node, Session: 1, Shards: events.PackShards([]uint32{0})}},
		}}}
	}
	m.log.Append(t, projectiontest.Decide("user/ann", created(1)), projectiontest.Decide("user/ann", assign("a")))
	m.wait()
	f := shardmap.Filter{Owner: "a"}
	o := watch.Options[*controlv1.ShardRecord]{Match: f.Match, Route: f.Route()}
	got := follow(m, m.shards, o, 4, func() {
		for _, node := range []string{"b", "c", "a"} {
			m.log.Append(t, projectiontest.Decide("user/ann", assign(node)))
			m.wait()
		}
	})
	var out []string
	for _, it := range got {
		out = append(out, fmt.Sprintf("%d at %d: %q -> %q", it.Kind, it.Position, it.Previous.GetOwnerNodeId(), it.Current.GetOwnerNodeId()))
	}
	want := []string{`1 at 3: "" -> "a"`, `3 at 3: "" -> ""`, `2 at 4: "a" -> "b"`, `2 at 6: "c" -> "a"`}
	if d := cmp.Diff(want, out); d != "" {
		t.Fatalf("items (-want +got):\n%s", d)
	}
}

// TestStalledWatcherHoldsUpNobody: with one watcher that never returns from its
// callback, the projector goes on and another watcher is given all.
func TestStalledWatcherHoldsUpNobody(t *testing.T) {
	cfg := watch.DefaultConfig()
	cfg.QueueDecisions = 2
	m := start(t, cfg)
	defer m.stop()
	stalled, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		first := true
		done <- m.events.Watch(m.ctx, watch.Options[events.Recorded]{Start: watch.Head}, func(watch.Item[events.Recorded]) error {
			if first {
				first = false
				close(stalled)
				<-release
				return nil
			}
			if m.p.Position() == m.log.Head.Position {
				return errGoal
			}
			return nil
		})
	}()
	<-stalled
	const n = 50
	got := follow(m, m.events, watch.Options[events.Recorded]{Start: watch.Head}, n+1, func() {
		for i := range n {
			m.log.Append(t, projectiontest.Decide("user/ann", projectiontest.Policy(uint64(i))))
		}
	})
	m.wait()
	if last := got[n].Position; last != m.log.Head.Position {
		t.Errorf("the other watcher is at %d, the log at %d", last, m.log.Head.Position)
	}
	if m.events.Lag() == 0 {
		t.Error("lag is 0 while a watcher is stalled")
	}
	close(release)
	if err := <-done; !errors.Is(err, errGoal) {
		t.Errorf("stalled watcher ended with %v", err)
	}
}

func TestRefusals(t *testing.T) {
	cfg := watch.DefaultConfig()
	cfg.MaxWatchers = 1
	m := start(t, cfg)
	defer m.stop()
	nothing := func(watch.Item[events.Recorded]) error { return nil }
	var ahead *projections.AheadError
	err := m.events.Watch(m.ctx, watch.Options[events.Recorded]{Start: watch.After, Position: 99}, nothing)
	if !errors.As(err, &ahead) || ahead.Position != 99 {
		t.Errorf("after 99: %v, want an AheadError", err)
	}
	err = m.events.Watch(m.ctx, watch.Options[events.Recorded]{Start: watch.Head}, func(watch.Item[events.Recorded]) error {
		if err := m.events.Watch(m.ctx, watch.Options[events.Recorded]{}, nothing); !errors.Is(err, watch.ErrTooMany) {
			t.Errorf("second watch: %v, want ErrTooMany", err)
		}
		return errGoal
	})
	if !errors.Is(err, errGoal) || m.events.Watchers() != 0 {
		t.Errorf("first watch ended with %v, %d watchers are left", err, m.events.Watchers())
	}
	if err := m.events.Watch(m.ctx, watch.Options[events.Recorded]{Start: watch.After, Until: m.log.Head.Position}, nothing); err != nil {
		t.Errorf("watch until the head: %v", err)
	}
}
