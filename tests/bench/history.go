package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// history is a log on disk with a long past: a namespace of 1,000 shards and 20
// nodes, and then decisions of one event each, of which nine in ten give one
// shard to another node and the tenth changes a node. So nearly every event
// changes a row of its own, which is the hardest that a rebuild can be given.
type history struct {
	store  *natslog.Store
	head   events.Head
	events int
}

const (
	historyShards = 1000
	historyNodes  = 20
	// perFrame is what a busy sequencer packs: 64 to 256 callers.
	perFrame = 100
)

// pastLog is the log of a million events, made once per run.
func (r *run) pastLog(ctx context.Context) (*history, error) {
	if r.history != nil {
		return r.history, nil
	}
	dir, err := r.temp("history")
	if err != nil {
		return nil, err
	}
	s, err := openStore(ctx, dir)
	if err != nil {
		return nil, err
	}
	h := &history{store: s, events: 1_000_000 / r.scale}
	w := &writer{log: s, time: time.Now().Add(-time.Hour).UnixNano()}
	if err := w.past(ctx, h.events); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	h.head, r.history = w.head, h
	return h, s.Anchor(store.Mark{Head: w.head, Sequence: w.sequence})
}

// writer appends frames to a log, as a sequencer would, without deciding.
type writer struct {
	log      store.Log
	head     events.Head
	sequence uint64
	time     int64
	id       events.LogID
}

func (w *writer) append(ctx context.Context, ds ...*eventsv1.Decision) error {
	w.time += int64(time.Millisecond)
	if w.id == (events.LogID{}) {
		w.id = events.LogID{1}
	}
	f := &eventsv1.Frame{LogId: w.id[:], Era: 1, First: uint64(w.head.Position) + 1, Time: w.time, Decisions: ds}
	if w.sequence > 0 {
		f.PrevHash = w.head.Hash[:]
	}
	data, err := events.Marshal(f)
	if err != nil {
		return err
	}
	if err := w.log.Publish(ctx, w.sequence, data); err != nil {
		return err
	}
	w.sequence++
	_, w.head, err = w.head.Next(data)
	return err
}

// past writes an era, a namespace and n events, on an empty log.
func (w *writer) past(ctx context.Context, n int) error {
	if err := w.append(ctx, decision("node/s1", &eventsv1.Event{Kind: &eventsv1.Event_EraStarted{
		EraStarted: &eventsv1.EraStarted{ClusterId: "c1", Era: 1, Next: 1},
	}})); err != nil {
		return err
	}
	return w.busy(ctx, n)
}

// busy writes the namespace, its nodes and n events behind what there is.
func (w *writer) busy(ctx context.Context, n int) error {
	first := []*eventsv1.Decision{decision("user/ann", &eventsv1.Event{Kind: &eventsv1.Event_NamespaceCreated{
		NamespaceCreated: &eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{
			ShardCount: historyShards, StrategyId: "optimal", EligibleRole: "worker", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE,
		}},
	}})}
	for i := range historyNodes {
		first = append(first, decision("node/"+nodeName(i), &eventsv1.Event{Kind: &eventsv1.Event_NodeJoined{
			NodeJoined: &eventsv1.NodeJoined{Node: busyNode(i, 1)},
		}}))
	}
	if err := w.append(ctx, first...); err != nil {
		return err
	}
	for i := 0; i < n; i += perFrame {
		ds := make([]*eventsv1.Decision, 0, perFrame)
		for j := i; j < min(n, i+perFrame); j++ {
			ds = append(ds, decision("node/s1", busyEvent(j)))
		}
		if err := w.append(ctx, ds...); err != nil {
			return err
		}
	}
	return nil
}

func decision(actor string, e *eventsv1.Event) *eventsv1.Decision {
	return &eventsv1.Decision{Meta: &eventsv1.Meta{Actor: actor, Reason: "bench", Command: "bench"}, Events: []*eventsv1.Event{e}}
}

func busyNode(i int, weight float64) *eventsv1.NodeDescriptor {
	return &eventsv1.NodeDescriptor{NodeId: nodeName(i), Role: "worker", ClusterId: "c1", Weight: weight}
}

func busyEvent(i int) *eventsv1.Event {
	node := i % historyNodes
	if i%10 == 0 {
		return &eventsv1.Event{Kind: &eventsv1.Event_NodeUpdated{NodeUpdated: &eventsv1.NodeUpdated{Node: busyNode(node, 1+float64(i%1000)/1000)}}}
	}
	return &eventsv1.Event{Kind: &eventsv1.Event_ShardsAssigned{ShardsAssigned: &eventsv1.ShardsAssigned{
		Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT,
		Assignments: []*eventsv1.ShardAssignment{{NodeId: nodeName(node), Session: uint64(i + 1), Shards: events.PackShards([]uint32{uint32(i*7) % historyShards})}},
	}}}
}

// project runs tables over the log to its end, in a new folder. The caller stops
// the projector.
func (h *history) project(ctx context.Context, r *run, tables ...projections.Table) (*running, error) {
	dir, err := r.temp("rows")
	if err != nil {
		return nil, err
	}
	p, err := startProjector(ctx, h.store, dir, tables...)
	if err != nil {
		return nil, err
	}
	if err := p.rows.WaitFor(ctx, h.head.Position); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// running is a projector that runs.
type running struct {
	rows   *projections.Projector
	cancel context.CancelFunc
	done   chan error
}

func startProjector(ctx context.Context, log store.Log, dir string, tables ...projections.Table) (*running, error) {
	cfg := projections.DefaultConfig(dir, tables...)
	cfg.Logger = quiet()
	cfg.KV.Logger = quiet()
	rows, err := projections.Open(ctx, log, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the rows: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &running{rows: rows, cancel: cancel, done: make(chan error, 1)}
	go func() { p.done <- rows.Run(ctx) }()
	return p, nil
}

func (p *running) stop() error {
	p.cancel()
	return errors.Join(<-p.done, p.rows.Close())
}
