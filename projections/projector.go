package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Projector keeps the tables of one log. Open it, register listeners, Run it.
//
// Run's goroutine owns all but what mu guards: the published view and the
// channel that wakes who waits for the next one.
type Projector struct {
	cfg     Config
	log     store.Log
	db      *kv.DB
	metrics *metrics
	lost    *DivergedError

	mark     store.Mark          // last frame that is wholly applied
	serving  map[uint16]kv.Table // versions that the view reads
	counters *counters
	kinds    kinds
	cut      uint64 // sequence of a frame of which a part was applied; 0 is none

	mu        sync.Mutex
	view      *View         // guarded by mu; nil before the first is published
	changed   chan struct{} // guarded by mu; closed and replaced with each view
	listeners []Listener    // guarded by mu
	closed    bool          // guarded by mu
}

// Open opens or creates the directory and compares it with the log. A directory
// that the log contradicts is handled as the config says. The projector is
// non-nil if and only if the error is nil. If rows are there they are readable
// at once, before Run.
func Open(ctx context.Context, log store.Log, cfg Config) (*Projector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	p := &Projector{cfg: cfg, log: log, metrics: m, counters: newCounters(false), kinds: kinds{}, changed: make(chan struct{})}
	if err := p.openChecked(ctx); err != nil {
		return nil, err
	}
	if p.mark.Sequence > 0 && p.cut == 0 {
		if err := p.publish(); err != nil {
			return nil, errors.Join(err, p.db.Close())
		}
	}
	return p, nil
}

// openChecked opens the directory, once more after a quarantine.
func (p *Projector) openChecked(ctx context.Context) error {
	for {
		lost, err := p.openOnce(ctx)
		if lost == nil || err != nil {
			return err
		}
		if p.lost != nil {
			return errors.Join(p.lost, lost)
		}
		if err := diverge(p.cfg, p.db, lost); err != nil {
			return err
		}
		p.lost = lost
	}
}

func (p *Projector) openOnce(ctx context.Context) (*DivergedError, error) {
	db, err := openRows(p.cfg)
	p.db = db
	if errors.Is(err, kv.ErrCorrupt) {
		return &DivergedError{Problem: err.Error(), Cause: err}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("projections: open %s: %w", p.cfg.Dir, err)
	}
	if err := p.load(); err != nil {
		if errors.Is(err, kv.ErrCorrupt) {
			return &DivergedError{Problem: err.Error(), Cause: err}, nil
		}
		return nil, errors.Join(err, db.Close())
	}
	problem, err := contradiction(ctx, p.log, p.mark)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if problem != "" {
		return &DivergedError{Mark: p.mark, Problem: problem}, nil
	}
	return nil, nil
}

// openRows opens the directory. One that an older release wrote in another format
// is removed: the log has all that is in it, and the rows begin anew.
func openRows(cfg Config) (*kv.DB, error) {
	db, err := kv.OpenFS(cfg.fs(), cfg.Dir, cfg.KV)
	var format *kv.FormatError
	if !errors.As(err, &format) || format.Newer() {
		return db, err
	}
	cfg.logger().Info("projections of an older format are removed, and built anew from the log",
		"dir", cfg.Dir, "format", format.Found, "wanted", format.Want)
	if err := cfg.fs().RemoveAll(cfg.Dir); err != nil {
		return nil, err
	}
	return kv.OpenFS(cfg.fs(), cfg.Dir, cfg.KV)
}

// load reads the mark and the serving tables.
func (p *Projector) load() error {
	p.mark, p.cut, p.serving = store.Mark{}, 0, map[uint16]kv.Table{}
	data, ok, err := p.db.Meta(metaMark)
	if err == nil && ok {
		p.mark, err = decodeMark(data)
	}
	if err != nil {
		return err
	}
	if data, ok, err = p.db.Meta(metaTables); err != nil {
		return err
	}
	if ok {
		if p.serving, err = decodeTables(data, p.names()); err != nil {
			return err
		}
	} else {
		maps.Copy(p.serving, p.wanted())
	}
	if data, ok, err = p.db.Meta(metaCut); err != nil || !ok {
		return err
	}
	cut, err := decodeCounter(data)
	p.cut = uint64(cut)
	return err
}

// wanted are the table versions of this release.
func (p *Projector) wanted() map[uint16]kv.Table {
	tables := map[uint16]kv.Table{coreID: coreTable()}
	for _, t := range p.cfg.Tables {
		tables[t.Spec().ID] = t.Spec()
	}
	return tables
}

func (p *Projector) names() map[uint16]string {
	names := map[uint16]string{}
	for id, t := range p.wanted() {
		names[id] = t.Name
	}
	return names
}

// Lost says what Open found contradicting the log and moved away; nil if
// nothing was.
func (p *Projector) Lost() *DivergedError { return p.lost }

// View returns the newest view, which the caller releases, or [ErrNotReady].
func (p *Projector) View() (*View, error) {
	for {
		p.mu.Lock()
		v, closed := p.view, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return nil, store.ErrClosed
		case v == nil:
			return nil, ErrNotReady
		case v.acquire():
			return v, nil
		}
	}
}

// Position is the position of the newest view, 0 before the first.
func (p *Projector) Position() events.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.view == nil {
		return 0
	}
	return p.view.Mark.Position
}

// WaitFor returns nil as soon as the view shows a position, that is, the end of
// its decision; else the error of ctx. Position 0 waits for the first view.
func (p *Projector) WaitFor(ctx context.Context, at events.Position) error {
	for {
		p.mu.Lock()
		v, changed, closed := p.view, p.changed, p.closed
		reached := v != nil && v.Mark.Position >= at
		p.mu.Unlock()
		switch {
		case closed:
			return store.ErrClosed
		case reached:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for position %d, now at %d: %w", at, p.Position(), ctx.Err())
		}
	}
}

// publish makes what is committed the view. Only at ends of decisions.
func (p *Projector) publish() error {
	snap, err := p.db.Snapshot()
	if err != nil {
		return err
	}
	v := &View{Mark: p.mark, snap: snap, tables: maps.Clone(p.serving)}
	v.refs.Store(1)
	p.mu.Lock()
	old := p.view
	p.view = v
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if old != nil {
		old.Release()
	}
	p.metrics.position.Set(float64(p.mark.Position))
	return nil
}

// Close flushes and closes the directory. Run must have returned. It fails with
// [kv.ErrInUse] while views are held; call it again.
func (p *Projector) Close() error {
	p.mu.Lock()
	v := p.view
	p.view = nil
	if !p.closed {
		p.closed = true
		close(p.changed)
	}
	p.mu.Unlock()
	if v != nil {
		v.Release()
	}
	if err := p.db.Flush(); err != nil {
		return errors.Join(err, p.db.Close())
	}
	return p.db.Close()
}
