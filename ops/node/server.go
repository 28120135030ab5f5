package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/drainer"
	"github.com/omnirelay/omnirelay/ops/election"
	"github.com/omnirelay/omnirelay/ops/failuredetector"
	"github.com/omnirelay/omnirelay/ops/handoff"
	"github.com/omnirelay/omnirelay/ops/loop"
	"github.com/omnirelay/omnirelay/ops/maintenance"
	"github.com/omnirelay/omnirelay/ops/placer"
	"github.com/omnirelay/omnirelay/ops/rebinder"
	"github.com/omnirelay/omnirelay/ops/refusals"
	"github.com/omnirelay/omnirelay/ops/scheduler"
	"github.com/omnirelay/omnirelay/ops/sessions"
	"github.com/omnirelay/omnirelay/ops/succession"
	"github.com/omnirelay/omnirelay/ops/telemetry"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/audit"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// Options of a server beside its settings.
type Options struct {
	// Version of the release, for the mesh to know.
	Version string
	// Logger may be nil: slog.Default.
	Logger *slog.Logger
	// Registry takes the metrics and answers /metrics; nil makes one.
	Registry *prometheus.Registry
	// Clock may be nil: the system's. Tests set the wall clock back and forth.
	Clock sequencer.Clock
	// OnReady is called once, with the address, when the server is ready. It must
	// not block.
	OnReady func(address string)
}

// server is the parts while they run.
type server struct {
	cfg   Config
	opts  Options
	log   *slog.Logger
	began time.Time
	parts *supervisor

	dir     *directory
	address string
	store   *natslog.Store
	rows    *projections.Projector
	refused *refusals.Recorder
	seq     *sequencer.Sequencer
	keeper  *sessions.Keeper
	relay   *sessions.Relay
	runner  *loop.Runner
	// election and forward are of a cluster; nil with a single server.
	election *election.Election
	forward  *sequencer.Forwarder
	grows    bool   // this server copies its log into the cluster
	grownEra uint64 // of the log that is copied

	front    *front
	waits    atomic.Pointer[string] // what the log waits for at start; nil is nothing
	caughtUp atomic.Bool            // the projection has shown the head once
}

// Run opens and runs a server until ctx ends or a part fails. [Explain] has
// the fields of its error.
func Run(ctx context.Context, cfg Config, opts Options) error {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = sequencer.SystemClock
	}
	if opts.Registry == nil {
		opts.Registry = telemetry.NewRegistry(opts.Version)
	}
	s := &server{cfg: cfg, opts: opts, log: opts.Logger, began: time.Now(), parts: newSupervisor(opts.Logger)}
	s.log.Info("server starting", "version", opts.Version, "data", cfg.Data)
	if cfg.Insecure {
		s.log.Warn("insecure: plaintext, and callers are who they say they are; loopback only", "address", cfg.HTTP)
	}
	err := s.open(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
			s.log.Info("server stopping")
			s.retire()
		case err = <-s.parts.failed:
			s.log.Error("component failed, server stopping", Explain(err)...)
		}
	} else if ctx.Err() != nil {
		err = nil // asked to stop while starting
	}
	if stopped := s.parts.stop(); stopped != nil {
		err = errors.Join(err, stopped)
	}
	return err
}

// open starts all parts in order.
func (s *server) open(ctx context.Context) error {
	listener, err := listen(s.cfg.HTTP)
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"data directory", s.openDirectory},
		{"listener", func(context.Context) error { return s.startFront(listener) }},
		{"log", s.openLog},
		{"projection", s.openRows},
		{"sequencer", s.startSequencer},
		{"controllers", s.startControllers},
		{"api", s.startAPI},
	} {
		if err := step.do(ctx); err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", step.name, err), closed(listener))
		}
	}
	return nil
}

// closed closes a listener that may be closed already.
func closed(l net.Listener) error {
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (s *server) openDirectory(context.Context) error {
	dir, err := openDirectory(s.cfg.Data, s.cfg.Name, s.cfg.Cluster)
	if err != nil {
		return err
	}
	s.dir = dir
	s.parts.holds("data directory", time.Second, dir.close)
	s.log.Info("data directory", "path", dir.path, "id", dir.ID)
	if s.cfg.Reseed != "" {
		if err := dir.reseed(s.cfg.Reseed); err != nil {
			return err
		}
		s.log.Warn("what this directory held is given up, and a new copy of the log is asked for", "was", dir.Replaces, "is", dir.ID)
	} else if err := dir.checkKept(); err != nil {
		return err
	}
	if err := checkDisk(dir.path, leastFree); err != nil {
		return err
	}
	s.parts.runs("disk", time.Second, s.watchDisk)
	return nil
}

func (s *server) openLog(ctx context.Context) error {
	snapshot, err := loadSnapshot(s.dir.snapshotDir(), s.log)
	if err != nil {
		return err
	}
	had, err := s.dir.hasRows()
	if err != nil {
		return err
	}
	if s.cfg.Grow {
		if s.grows, err = s.prepareGrowth(ctx); err != nil {
			return err
		}
	} else if err := s.dir.checkGrown(); err != nil {
		return err
	}
	s.store, err = natslog.Open(ctx, s.logConfig(snapshot, had))
	if err != nil {
		return err
	}
	s.parts.holds("log", 2*time.Second, s.store.Close)
	if s.grows {
		if err := s.grow(ctx); err != nil {
			return err
		}
	} else if s.store.State() == natslog.Genesis {
		if had {
			return fmt.Errorf("%w: projections are in %s, and %s holds no log", store.ErrLogMissing, s.dir.rowsDir(), s.dir.logDir())
		}
	}
	snapshot, err = checkSnapshot(ctx, snapshot, s.store, s.log)
	if err != nil {
		return err
	}
	if err := s.startRefusals(); err != nil {
		return err
	}
	return s.newSequencer(snapshot)
}

// logConfig is the log's, beside a snapshot: had tells whether there were rows.
func (s *server) logConfig(snapshot sequencer.View, had bool) natslog.Config {
	cfg := natslog.DefaultConfig(s.dir.logDir(), s.cfg.Cluster)
	cfg.ServerName, cfg.Logger = s.dir.natsName(), s.log.With("component", "log")
	cfg.Metrics = s.opts.Registry
	// What the snapshot shows was stored: a log that ends before it is cut.
	cfg.Known = store.Mark{Sequence: snapshot.Mark.Sequence, Head: events.Head{Position: snapshot.Mark.Position}}
	cfg.Used = had
	if s.grows { // the snapshot and the rows are of the log that is copied
		cfg.Known, cfg.Used, cfg.Grow, cfg.Era = store.Mark{}, false, true, s.grownEra
	}
	if s.cfg.clustered() {
		cfg.Route, cfg.Peers, cfg.RouteAdvertise = s.cfg.Route, s.cfg.Peers, s.cfg.RouteAdvertise
		cfg.StockTiming = s.cfg.RaftTiming == StockTiming
		cfg.Waiting = s.tellWaiting
		if s.cfg.Reseed != "" {
			cfg.Outside = s.askReplace
		}
		// What the log loses is put back from here, if no file has it any more.
		cfg.TailBytes, cfg.TailFrames = clusterTailBytes, clusterTailFrames
	}
	return cfg
}

// Bounds of the recent frames that each of several servers keeps in memory.
const (
	clusterTailBytes  = 64 << 20
	clusterTailFrames = 1 << 16
)

// tellWaiting keeps what the start waits for, and says it when it changes.
func (s *server) tellWaiting(what string) {
	if before := s.waits.Load(); before != nil && *before == what || before == nil && what == "" {
		return
	}
	s.waits.Store(&what)
	if what != "" {
		s.log.Info("waiting for the log", "missing", what)
	}
}

// startRefusals starts the recorder of refused calls. It is stopped after all
// that may refuse, and before the log.
func (s *server) startRefusals() error {
	metrics, err := refusals.NewMetrics(s.opts.Registry)
	if err != nil {
		return err
	}
	s.refused, err = refusals.New(refusals.DefaultConfig(), s.store.Refusals(), s.log.With("component", "refusals"), metrics)
	if err != nil {
		return err
	}
	s.parts.runs("refusals", time.Second, s.refused.Run)
	return nil
}

// newSequencer makes the sequencer; it starts after the projections are open,
// which may refuse the directory.
func (s *server) newSequencer(snapshot sequencer.View) error {
	var incarnation, logID [16]byte
	_, _ = rand.Read(incarnation[:]) // never fails, says its documentation
	_, _ = rand.Read(logID[:])
	s.seq = sequencer.New(sequencer.Options{
		Config: sequencer.Config{
			Server: s.cfg.Name, Incarnation: hex.EncodeToString(incarnation[:]), NewLogID: logID,
			Introduce: introduce(s.cfg, s.opts.Version),
		},
		Log: s.store, Register: s.store.Register(), Clock: s.opts.Clock,
		Logger:  s.log.With("component", "sequencer"),
		Metrics: sequencer.NewMetrics(s.opts.Registry), SnapshotDir: s.dir.snapshotDir(),
		OnStored: s.stored, OnRefused: s.refused.Decided,
		Full: func() bool { return s.store.Usage().Full() }, Standby: s.cfg.clustered(),
	}, snapshot)
	s.keeper = sessions.NewKeeper(s.seq, s.opts.Clock, s.log.With("component", "sessions"))
	s.runner = loop.New(loop.Config{
		Server: s.cfg.Name, Sequencer: s.seq, Clock: loop.Clock(s.opts.Clock), Logger: s.log, Metrics: s.opts.Registry,
	},
		s.keeper, rebinder.New(), placer.New(), succession.New(), drainer.New(s.keeper), maintenance.New(), scheduler.New(),
		failuredetector.New(s.cfg.Name, s.seq, heard{s}),
		loop.WokenBy(handoff.New(s.keeper), s.keeper.News()),
	)
	return s.newCluster()
}

// stored keeps the anchor beside the log, and wakes who looks at views.
func (s *server) stored(v sequencer.View) {
	if err := s.store.Anchor(v.Mark); err != nil {
		s.log.Error("anchor not written", "position", uint64(v.Mark.Position), "error", err)
	}
	if s.election != nil {
		s.election.Stored(v)
	}
	s.runner.Wake()
}

func (s *server) openRows(ctx context.Context) error {
	cfg := projections.DefaultConfig(s.dir.rowsDir(),
		shardmap.Table{}, registry.Peers{}, registry.Leaders{}, registry.Namespaces{},
		registry.Candidates{}, registry.Policies{}, registry.Eras{}, registry.LogStates{},
		registry.Maintenance{}, registry.Schedules{}, audit.Table{})
	cfg.Metrics, cfg.Logger = s.opts.Registry, s.log.With("component", "projection")
	rows, err := projections.Open(ctx, s.store, cfg)
	if err != nil {
		return err
	}
	s.rows = rows
	rows.Listen(newJournal(s.log, s.began))
	rows.Listen(newChanges(s.opts.Registry, s.began.UnixNano()))
	rows.Listen(newElections(s.opts.Registry, s.began.UnixNano()))
	s.opts.Registry.MustRegister(newCensus(s.seq.View), newSessions(s.seq.View))
	s.parts.holds("rows", 2*time.Second, s.closeRows)
	return nil
}

// closeRows closes the rows as soon as no call holds a view any more, for a
// second at most.
func (s *server) closeRows() error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for over := time.Now().Add(time.Second); ; <-tick.C {
		if err := s.rows.Close(); !errors.Is(err, kv.ErrInUse) || time.Now().After(over) {
			return err
		}
	}
}

func (s *server) startSequencer(context.Context) error {
	s.parts.runs("projection", time.Second, s.rows.Run)
	// It stores what was decided, and then a snapshot of the whole model.
	s.parts.runs("sequencer", 4*time.Second, s.seq.Run)
	s.parts.runs("log guard", time.Second, s.store.Guard)
	return s.startCluster()
}

func (s *server) startControllers(context.Context) error {
	s.parts.runs("controllers", time.Second, s.runner.Run)
	return nil
}
