package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Config is that of a projector in memory, with commits so small that decisions
// are cut.
func Config(fs vfs.FS, tables ...projections.Table) projections.Config {
	cfg := projections.DefaultConfig("rows", tables...)
	cfg.FS = fs
	cfg.BatchBytes = 4 << 10
	cfg.CatchUpBytes = 2 << 10
	cfg.KV.Ingest = 3 << 10
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.KV.Logger = cfg.Logger
	return cfg
}

// patience is how long a projector may take for what takes milliseconds.
const patience = 30 * time.Second

// RunTo opens a projector, runs it until its view shows a position, and stops
// it. The caller closes it.
func RunTo(tb TB, log store.Log, cfg projections.Config, to events.Position) *projections.Projector {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := projections.Open(ctx, log, cfg)
	if err != nil {
		tb.Fatalf("open projector: %v", err)
	}
	done := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { done <- p.Run(running) }()
	failed := p.WaitFor(ctx, to)
	if failed != nil {
		failed = errors.Join(failed, ctx.Err())
	}
	stop()
	if err := errors.Join(failed, <-done); err != nil {
		tb.Fatalf("run to position %d: %v", to, err)
	}
	return p
}

// View returns a projector's view.
func View(tb TB, p *projections.Projector) *projections.View {
	tb.Helper()
	v, err := p.View()
	if err != nil {
		tb.Fatalf("view: %v", err)
	}
	return v
}

// Close closes a projector whose views are released.
func Close(tb TB, p *projections.Projector) {
	tb.Helper()
	if err := p.Close(); err != nil {
		tb.Fatalf("close projector: %v", err)
	}
}

// Rows is what tables show at a position (0 is now), one line per row.
func Rows(tb TB, v *projections.View, tables []projections.Table, at events.Position) string {
	tb.Helper()
	var b strings.Builder
	for _, t := range tables {
		err := v.List(t.Spec().ID, projections.Range{}, at, func(pk, row []byte) bool {
			fmt.Fprintf(&b, "%s %x %x\n", t.Spec().Name, pk, row)
			return true
		})
		if err != nil {
			tb.Fatalf("list %s at %d: %v", t.Spec().Name, at, err)
		}
	}
	return b.String()
}

// Everything is all that a directory holds of tables: rows, index, series, and
// every change since the beginning.
func Everything(tb TB, v *projections.View, tables []projections.Table) string {
	tb.Helper()
	var b strings.Builder
	b.WriteString(Rows(tb, v, tables, 0))
	for _, t := range tables {
		s := t.Spec()
		err := v.IndexScan(s.ID, projections.Range{}, func(key []byte) bool {
			fmt.Fprintf(&b, "%s index %x\n", s.Name, key)
			return true
		})
		err = errors.Join(err, v.Changes(s.ID, 0, v.Position(), func(c *kv.Change) bool {
			fmt.Fprintf(&b, "%s at %d %x %x %v\n", s.Name, c.Position, c.PK, c.Row, c.Deleted)
			return true
		}))
		err = errors.Join(err, v.EachSeries(s.ID, func(name []byte, decision events.Position) bool {
			fmt.Fprintf(&b, "%s series %x %d\n", s.Name, name, decision)
			return true
		}))
		if err != nil {
			tb.Fatalf("read %s: %v", s.Name, err)
		}
	}
	return b.String()
}

// Check holds tables to their promises over a log of random frames. extra, if
// not nil, renders what else must be equal, counters for example.
func Check(tb TB, draw func(n int) int, frames int, tables []projections.Table, extra func(*projections.View) string) {
	tb.Helper()
	log, sim := NewLog(tb), NewSim(draw, 40)
	fs := vfs.NewCrashableMem()
	served := map[events.Position]string{}
	for range frames {
		for range 1 + draw(3) {
			sim.Frame(tb, log)
		}
		cfg := Config(fs, tables...)
		switch draw(3) {
		case 0:
			cfg.BatchBytes = 1 << 10
			cfg.FarBehind = 1
		case 1: // so large that whole namespaces are read ahead
			cfg.BatchBytes = 64 << 10
		}
		p := RunTo(tb, log, cfg, log.Head.Position)
		v := View(tb, p)
		served[v.Position()] = Rows(tb, v, tables, 0)
		v.Release()
		if draw(2) == 0 {
			// A crash, which keeps what the disk happened to have.
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
		}
		Close(tb, p)
	}
	stepwise := RunTo(tb, log, Config(fs, tables...), log.Head.Position)
	rebuilt := RunTo(tb, log, Config(vfs.NewMem(), tables...), log.Head.Position)
	defer Close(tb, rebuilt)
	defer Close(tb, stepwise)
	a, b := View(tb, stepwise), View(tb, rebuilt)
	defer a.Release()
	defer b.Release()
	compare(tb, "step by step against rebuilt (T2, T4)", Everything(tb, b, tables), Everything(tb, a, tables))
	if extra != nil {
		compare(tb, "step by step against rebuilt, extra", extra(b), extra(a))
	}
	for at, rows := range served {
		compare(tb, fmt.Sprintf("as of %d against what was served (T3)", at), rows, Rows(tb, b, tables, at))
	}
}

func compare(tb TB, what, want, got string) {
	tb.Helper()
	if want != got {
		tb.Fatalf("%s (-want +got):\n%s", what, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
}
