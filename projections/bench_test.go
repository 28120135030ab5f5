package projections_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/audit"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

func allTables() []projections.Table {
	return append(registry.Tables(), shardmap.Table{}, audit.Table{})
}

// busyLog is a log of n events, each a decision: shards change hands, and now
// and then a peer is updated.
func busyLog(tb testing.TB, n int) *projectiontest.Log {
	log := projectiontest.NewLog(tb)
	const shards, nodes, perFrame = 1000, 20, 100
	log.Append(tb, projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{
		Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: shards, StrategyId: "optimal"},
	}}}))
	for i := 0; i < n; i += perFrame {
		var ds []*eventsv1.Decision
		for j := i; j < i+perFrame; j++ {
			ds = append(ds, projectiontest.Decide("node/s1", busyEvent(j, shards, nodes)))
		}
		log.Append(tb, ds...)
	}
	return log
}

func busyEvent(i, shards, nodes int) *eventsv1.Event {
	node := fmt.Sprintf("node-%d", i%nodes)
	if i%10 == 0 {
		return &eventsv1.Event{Kind: &eventsv1.Event_NodeUpdated{NodeUpdated: &eventsv1.NodeUpdated{Node: &eventsv1.NodeDescriptor{NodeId: node, Role: "worker", Weight: float64(i)}}}}
	}
	set := events.PackShards([]uint32{uint32(i*7) % uint32(shards)})
	return &eventsv1.Event{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
		Namespace: "demo", Assignments: []*eventsv1.ShardAssignment{{NodeId: node, Session: uint64(i + 1), Shards: set}},
	}}}
}

func BenchmarkRebuild(b *testing.B) {
	const n = 200_000
	log := busyLog(b, n)
	for name, tables := range map[string][]projections.Table{
		"shards": {shardmap.Table{}}, "peers": {registry.Peers{}}, "all": allTables(),
	} {
		b.Run(name, func(b *testing.B) {
			before := processor()
			for range b.N {
				dir := b.TempDir()
				cfg := projections.DefaultConfig(dir, tables...)
				cfg.FS = vfs.Default
				p := projectiontest.RunTo(b, log, cfg, log.Head.Position)
				b.StopTimer()
				projectiontest.Close(b, p)
				b.StartTimer()
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(processor()-before)/float64(n*b.N), "cpu-ns/event")
		})
	}
}

// BenchmarkLive is a busy server: frames of 32 decisions, each applied and shown
// before the next comes. Building the frames is not counted.
func BenchmarkLive(b *testing.B) {
	const before, perFrame = 100_000, 32
	log := busyLog(b, before)
	cfg := projections.DefaultConfig(b.TempDir(), allTables()...)
	p := projectiontest.RunTo(b, log, cfg, log.Head.Position)
	projectiontest.Close(b, p)
	p, err := projections.Open(b.Context(), log, cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var used int64
	n := 0
	for b.Loop() {
		ds := make([]*eventsv1.Decision, 0, perFrame)
		for range perFrame {
			ds = append(ds, projectiontest.Decide("node/s1", busyEvent(before+n, 1000, 20)))
			n++
		}
		start := processor()
		log.Append(b, ds...)
		if err := p.WaitFor(ctx, log.Head.Position); err != nil {
			b.Fatal(err)
		}
		used += processor() - start
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	projectiontest.Close(b, p)
	b.ReportMetric(float64(used)/float64(n), "cpu-ns/event")
}

// BenchmarkListPast lists 1,000 shards as they were, each with hundreds of
// versions.
func BenchmarkListPast(b *testing.B) {
	const n = 500_000
	log := busyLog(b, n)
	p := projectiontest.RunTo(b, log, projections.DefaultConfig(b.TempDir(), allTables()...), log.Head.Position)
	defer projectiontest.Close(b, p)
	v := projectiontest.View(b, p)
	defer v.Release()
	used := processor()
	for b.Loop() {
		at, rows := events.Position(100+rand.IntN(n-100)), 0
		err := shardmap.Each(v, shardmap.Filter{Namespace: "demo"}, at, func([]byte) bool { rows++; return true })
		if err != nil || rows != 1000 {
			b.Fatalf("%d rows, %v", rows, err)
		}
	}
	b.ReportMetric(float64(processor()-used)/float64(b.N)/1e6, "cpu-ms/list")
}

// BenchmarkPlace is two large decisions: 100,000 shards are created, and given to
// 1,000 nodes.
func BenchmarkPlace(b *testing.B) {
	const shards, nodes = 100_000, 1000
	assigned := &eventsv1.ShardsAssigned{Namespace: "big"}
	for n := range nodes {
		var ids []uint32
		for id := n; id < shards; id += nodes {
			ids = append(ids, uint32(id))
		}
		assigned.Assignments = append(assigned.Assignments, &eventsv1.ShardAssignment{
			NodeId: fmt.Sprintf("node-%d", n), Session: uint64(n + 1), Shards: events.PackShards(ids),
		})
	}
	log := projectiontest.NewLog(b)
	log.Append(b, projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceCreated{NamespaceCreated: &eventsv1.NamespaceCreated{
		Namespace: "big", Spec: &eventsv1.NamespaceSpec{ShardCount: shards, StrategyId: "optimal"},
	}}}))
	log.Append(b, projectiontest.Decide("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: assigned}}))
	before := processor()
	for range b.N {
		p := projectiontest.RunTo(b, log, projections.DefaultConfig(b.TempDir(), allTables()...), log.Head.Position)
		b.StopTimer()
		projectiontest.Close(b, p)
		b.StartTimer()
	}
	b.ReportMetric(float64(processor()-before)/float64(2*shards*b.N), "cpu-ns/row")
}

// processor is the processor time of this process, nanoseconds. On a shared
// machine it says more than the wall clock.
func processor() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
