package projections

import (
	"context"
	"fmt"
	"maps"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

// rebuild brings tables that this release has in another version, or newly, up
// to the mark, from the first frame on, and then lets them serve. The others
// wait, so that the view is never of two positions. A rebuild that was cut
// begins again: it is one pass over the log.
func (p *Projector) rebuild(ctx context.Context) error {
	a, outdated := p.outdated()
	if outdated == nil {
		return nil
	}
	if p.mark.Sequence > 0 {
		if err := p.rebuildTo(ctx, a, p.mark); err != nil {
			return err
		}
	}
	return p.flip(a.counters, outdated)
}

// outdated returns what must be rebuilt, and the versions that end with it.
func (p *Projector) outdated() (applier, []kv.Table) {
	a := applier{rebuild: true, counters: newCounters(true)}
	var old []kv.Table
	for id, want := range p.wanted() {
		serving, ok := p.serving[id]
		if ok && serving.Version == want.Version {
			continue
		}
		if !ok {
			serving = kv.Table{} // nothing to drop
		}
		old = append(old, serving)
		a.core = a.core || id == coreID
		for _, t := range p.cfg.Tables {
			if t.Spec().ID == id {
				a.tables = append(a.tables, feed{t, t.Spec()})
			}
		}
	}
	for id, serving := range p.serving {
		if _, ok := p.wanted()[id]; !ok {
			old = append(old, serving)
		}
	}
	return a, old
}

func (p *Projector) rebuildTo(ctx context.Context, a applier, to store.Mark) error {
	for _, t := range a.tables {
		p.cfg.logger().Info("projection table is rebuilt", "table", t.spec.Name, "version", t.spec.Version, "to", uint64(to.Position))
		if err := p.db.DropTable(t.spec); err != nil {
			return err
		}
	}
	if a.core {
		if err := p.db.DropTable(coreTable()); err != nil {
			return err
		}
	}
	var reached store.Mark
	err := p.pump(ctx, store.Mark{}, to.Sequence, func(f verified, q *queue) error {
		g, err := p.applyBulk(a, f, q)
		if err != nil {
			return fmt.Errorf("projections: rebuild up to message %d: %w", to.Sequence, err)
		}
		reached = g.mark
		return nil
	})
	if err == nil && reached != to {
		err = fmt.Errorf("projections: rebuild ended at position %d, message %d; the mark is position %d, message %d",
			reached.Position, reached.Sequence, to.Position, to.Sequence)
	}
	return err
}

// flip lets this release's versions serve, in one commit with their counters,
// and drops those that served before.
func (p *Projector) flip(c *counters, old []kv.Table) error {
	b, err := p.db.NewBatch()
	if err != nil {
		return err
	}
	defer b.Close()
	serving := p.wanted()
	c.flush(b)
	b.SetMeta(metaTables, encodeTables(serving))
	if err := b.Commit(); err != nil {
		return err
	}
	p.serving = maps.Clone(serving)
	if p.mark.Sequence > 0 && p.cut == 0 {
		if err := p.publish(); err != nil {
			return err
		}
	}
	for _, t := range old {
		if t.ID == 0 {
			continue
		}
		if err := p.db.DropTable(t); err != nil {
			return err
		}
	}
	return nil
}
