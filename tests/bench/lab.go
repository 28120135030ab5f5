package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/google/uuid"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/audit"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// lab is a log on disk and its sequencer, in this process.
type lab struct {
	store *natslog.Store
	seq   *sequencer.Sequencer
	// stored is told of every view; set it before start.
	stored func()
	cancel context.CancelFunc
	done   chan error
}

// quiet is where log lines of this process go.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func openStore(ctx context.Context, dir string) (*natslog.Store, error) {
	cfg := natslog.DefaultConfig(dir, "c1")
	cfg.Logger = quiet()
	return natslog.Open(ctx, cfg)
}

// newLab opens an empty log and its sequencer, which start runs.
func (r *run) newLab(ctx context.Context) (*lab, error) {
	dir, err := r.temp("log")
	if err != nil {
		return nil, err
	}
	s, err := openStore(ctx, dir)
	if err != nil {
		return nil, err
	}
	return labOn(s, "s1", false), nil
}

// labOn is a server's store with a sequencer; a standby is one of several.
func labOn(s *natslog.Store, server string, standby bool) *lab {
	l := &lab{store: s, stored: func() {}, done: make(chan error, 1)}
	l.seq = sequencer.New(sequencer.Options{
		Config: sequencer.Config{
			Server: server, Incarnation: uuid.NewString(), NewLogID: events.LogID(uuid.New()), Introduce: introduce(server),
		},
		Log: s, Register: s.Register(), Clock: sequencer.SystemClock, Logger: quiet(), Standby: standby,
		OnStored: func(v sequencer.View) {
			_ = s.Anchor(v.Mark) // as a server does; one that fails shows at the next start
			l.stored()
		},
	}, sequencer.View{})
	return l
}

// introduce is what a server decides first.
func introduce(server string) func(m *model.Model) []commands.Request {
	actor := "node/" + server
	return func(m *model.Model) []commands.Request {
		var first []commands.Request
		if m.Position == 0 {
			first = append(first,
				commands.Request{Actor: actor, Reason: "genesis", Command: control.StartEra{Cluster: "c1"}},
				commands.Request{Actor: actor, Reason: "genesis", Command: policy.SetSession{TTL: policy.MaxSessionTTL}})
		}
		return append(first, commands.Request{Actor: actor, Reason: "server started", Command: membership.JoinServer{Node: membership.Descriptor{
			NodeID: server, Role: membership.ServerRole, ClusterID: "c1", Weight: 1,
		}}})
	}
}

// start runs the sequencer and waits until it leads.
func (l *lab) start(ctx context.Context) error {
	l.run(ctx)
	return l.awaitAuthority(ctx)
}

func (l *lab) run(ctx context.Context) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.cancel = cancel
	go func() { l.done <- l.seq.Run(running) }()
}

func (l *lab) awaitAuthority(ctx context.Context) error {
	return eventually(ctx, startWithin, "the sequencer leads", func() error {
		if !l.seq.HasAuthority() {
			return errors.New("it has no authority")
		}
		return nil
	})
}

func (l *lab) close() error {
	var err error
	if l.cancel != nil {
		l.cancel()
		err = <-l.done
	}
	return errors.Join(err, l.store.Close())
}

// workers opens sessions of n nodes, with 64 callers at a time.
func (l *lab) workers(ctx context.Context, n int) ([]*worker, error) {
	out := make([]*worker, n)
	err := parallel(ctx, 64, n, func(ctx context.Context, i int) error {
		w := &worker{id: nodeName(i)}
		receipt, err := l.seq.Submit(ctx, commands.Request{Actor: "node/" + w.id, Reason: "bench", Command: membership.OpenSession{
			Node: membership.Descriptor{NodeID: w.id, Role: "worker", ClusterID: "c1", Weight: 1}, SecretHash: sha256.Sum256([]byte(w.id)), Incarnation: 1,
		}})
		w.session = receipt.Position
		out[i] = w
		return err
	})
	if err != nil {
		return nil, err
	}
	m := l.seq.View().Model.Membership
	for _, w := range out {
		n, ok := m.Node(w.id)
		if !ok {
			return nil, fmt.Errorf("node %s has joined and is not in the write model", w.id)
		}
		w.version = n.Version
	}
	return out, nil
}

func nodeName(i int) string { return fmt.Sprintf("node-%04d", i) }

// worker is a node whose record is changed by one caller.
type worker struct {
	id      string
	session events.Position
	version uint64
}

// request changes the node's label, if the record is as it was seen last: what
// etcd's transaction is held against.
func (w *worker) request(actor string, keyed bool) commands.Request {
	r := commands.Request{
		Actor: actor, Reason: "bench", IfVersion: w.version,
		Command: membership.Update{NodeID: w.id, Labels: map[string]string{"value": value(int64(w.version))}},
	}
	if keyed {
		r.Key, r.Hash = commands.Key(uuid.Must(uuid.NewV7())), sha256.Sum256([]byte(w.id))
	}
	return r
}

// tables are those of a server.
func tables() []projections.Table {
	return []projections.Table{
		shardmap.Table{}, registry.Peers{}, registry.Leaders{}, registry.Namespaces{},
		registry.Candidates{}, registry.Policies{}, registry.Eras{}, registry.LogStates{},
		registry.Maintenance{}, registry.Schedules{}, audit.Table{},
	}
}
