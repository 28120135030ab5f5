package projections

import (
	"encoding/binary"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

// applier says which tables a run over the log feeds.
type applier struct {
	tables   []feed
	core     bool // keep the index of decisions
	rebuild  bool // no mark, no counters, until the flip
	counters *counters
}

// feed is a table with its spec at hand: it is asked for with every event.
type feed struct {
	Table
	spec kv.Table
}

func feeds(tables []Table) []feed {
	out := make([]feed, 0, len(tables))
	for _, t := range tables {
		out = append(out, feed{t, t.Spec()})
	}
	return out
}

// group is what is committed together: whole frames, but for a frame that is
// too large, of which parts are committed before.
type group struct {
	p    *Projector
	a    applier
	rows Rows
	mark store.Mark // last frame that is wholly in the batches
	// cutting is the frame that is being applied, 0 between frames.
	cutting uint64
	redone  bool
	hear    bool
	heard   Commit
	info    DecisionInfo // of a decision that nobody listens to
	key     []byte
}

// heardEvents bounds the events of a commit that listeners are handed.
const heardEvents = events.MaxFrameEvents

func (p *Projector) newGroup(a applier, hear bool, limit int) (*group, error) {
	batch, err := p.db.NewBatch()
	if err != nil {
		return nil, err
	}
	g := &group{p: p, a: a, mark: p.mark, hear: hear}
	g.heard.After = p.mark.Position
	g.rows = Rows{batch: batch, counters: a.counters, limit: limit}
	g.rows.full = g.spill
	return g, nil
}

// close drops what was not committed.
func (g *group) close() {
	g.rows.batch.Close()
	if g.rows.redo != nil {
		_ = g.rows.redo.Close()
	}
}

// apply runs the tables over one frame.
func (g *group) apply(f verified) error {
	g.cutting = f.mark.Sequence
	if g.p.cut != 0 && g.p.cut == f.mark.Sequence && !g.a.rebuild {
		if err := g.startRedo(); err != nil {
			return err
		}
	}
	first := events.Position(f.frame.First)
	for _, d := range f.frame.Decisions {
		if len(d.Events) == 0 {
			continue
		}
		if err := g.decision(d, first, f); err != nil {
			return err
		}
		first += events.Position(len(d.Events))
	}
	g.mark, g.cutting = f.mark, 0
	g.heard.Position = f.mark.Position
	return nil
}

// startRedo opens what the cut left: rows at or beyond an event's position have
// had it.
func (g *group) startRedo() error {
	snap, err := g.p.db.Snapshot()
	if err != nil {
		return err
	}
	g.rows.redo, g.redone = snap, true
	return nil
}

func (g *group) decision(d *eventsv1.Decision, first events.Position, f verified) error {
	var info *DecisionInfo
	switch {
	case g.hear: // listeners keep it
		info = g.p.kinds.describe(d, first, f.frame.Time, f.mark.Sequence)
	case g.a.core:
		info = &g.info
		g.p.kinds.describeInto(info, d, first, f.frame.Time, f.mark.Sequence)
	}
	if g.a.core {
		g.key = info.append(g.key[:0])
		g.rows.batch.IndexAppend(coreTable(), g.key)
	}
	heard := g.newHeard(info, len(d.Events))
	last := first + events.Position(len(d.Events)) - 1
	for i, e := range d.Events {
		rec := events.Recorded{Position: first + events.Position(i), Decision: last, Time: f.frame.Time, Meta: d.Meta, Event: e}
		if heard != nil {
			heard.Events = append(heard.Events, rec)
		}
		for _, t := range g.a.tables {
			g.rows.changes = heard.changesOf(t, i)
			if err := g.rows.applyTable(t, rec); err != nil {
				return err
			}
		}
	}
	if heard != nil {
		heard.arrange()
	}
	return nil
}

// newHeard starts a decision for listeners; nil when nobody listens or the
// commit has become too large to hand over.
func (g *group) newHeard(info *DecisionInfo, count int) *Decision {
	if !g.hear {
		return nil
	}
	if info.Last-g.heard.After > heardEvents && len(g.heard.Decisions) > 0 {
		g.hear, g.heard.Decisions = false, nil
		return nil
	}
	d := &Decision{Info: info, Events: make([]events.Recorded, 0, count), Changes: map[uint16]*Changes{}}
	g.heard.Decisions = append(g.heard.Decisions, d)
	return d
}

// changesOf is where a table's changes by one event go; nil without listeners.
func (d *Decision) changesOf(t feed, event int) *Changes {
	if d == nil {
		return nil
	}
	c := d.Changes[t.spec.ID]
	if c == nil {
		c = newChanges(t.Table)
		d.Changes[t.spec.ID] = c
	}
	c.event = event
	return c
}

// commit writes whole frames and their mark.
func (g *group) commit() error {
	b := g.rows.batch
	if g.p.cut != 0 && !g.a.rebuild {
		b.DeleteMeta(metaCut)
		g.p.cut = 0
	}
	return g.write(b)
}

// spill commits a part of a frame: the mark stays at the frame before, and what
// is redone after a crash begins with the frame that is named.
func (g *group) spill() error {
	b := g.rows.batch
	if !g.a.rebuild {
		b.SetMeta(metaCut, binary.BigEndian.AppendUint64(nil, g.cutting))
		g.p.cut = g.cutting
	}
	if err := g.write(b); err != nil {
		return err
	}
	next, err := g.p.db.NewBatch()
	if err != nil {
		return err
	}
	g.rows.batch = next
	return nil
}

func (g *group) write(b *kv.Batch) error {
	if g.a.rebuild {
		return b.Commit()
	}
	g.a.counters.flush(b)
	b.SetMeta(metaMark, encodeMark(g.mark))
	if g.p.mark.Sequence == 0 {
		b.SetMeta(metaTables, encodeTables(g.p.serving))
	}
	if err := b.Commit(); err != nil {
		return err
	}
	g.p.mark = g.mark
	return nil
}
