package projections

import (
	"context"
	"fmt"
	"time"
)

// catchUp brings rows that are far behind the log near its head, by few large commits
// that kv writes as tables of their own. Each is shown, with its mark: a crash in
// the middle costs the last one.
func (p *Projector) catchUp(ctx context.Context, all applier) error {
	for ctx.Err() == nil {
		last, err := p.log.Last(ctx)
		if err != nil {
			return fmt.Errorf("projections: last message of the log: %w", err)
		}
		if last < p.mark.Sequence+uint64(p.cfg.FarBehind) {
			return nil
		}
		err = p.pump(ctx, p.mark, last, func(first verified, q *queue) error {
			start := time.Now()
			listeners, _ := p.hearers()
			g, err := p.applyBulk(all, first, q)
			if err != nil {
				return fmt.Errorf("projections: catch up to message %d: %w", last, err)
			}
			return p.show(g, listeners, start)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// applyBulk applies and commits frames up to Config.CatchUpBytes. It waits for
// frames: whoever calls it has asked for the log up to a message that is there.
func (p *Projector) applyBulk(a applier, first verified, q *queue) (*group, error) {
	g, err := p.newGroup(a, false, p.cfg.CatchUpBytes+p.cfg.BatchBytes)
	if err != nil {
		return nil, err
	}
	defer g.close()
	f := first
	for more := true; more; {
		if err := g.apply(f); err != nil {
			return nil, fmt.Errorf("apply message %d: %w", f.mark.Sequence, err)
		}
		if g.rows.batch.Size() > p.cfg.CatchUpBytes || g.redone {
			break
		}
		f, more = q.wait()
	}
	if err := g.commit(); err != nil {
		return nil, fmt.Errorf("commit position %d: %w", g.mark.Position, err)
	}
	return g, nil
}
