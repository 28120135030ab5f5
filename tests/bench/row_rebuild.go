package main

import (
	"context"
	"errors"
	"time"

	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/audit"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/store"
)

// rebuild: rows from nothing, by the log's own store, until the view shows the
// head. What is read, verified and decoded is part of each figure.
func rebuild(ctx context.Context, r *run) error {
	h, err := r.pastLog(ctx)
	if err != nil {
		return err
	}
	if err := r.measure(ctx, "read and verify alone", perSecond, goal{}, h.read); err != nil {
		return err
	}
	for _, c := range []struct {
		what   string
		goal   goal
		tables []projections.Table
	}{
		{"one table, audit: events by actor, entity, correlation", goal{}, []projections.Table{audit.Table{}}},
		{"one table, peers: a tenth of the events change a row", goal{}, []projections.Table{registry.Peers{}}},
		{"one table, shards: nine tenths of the events change a row", atLeast(perSecond, 300_000), []projections.Table{shardmap.Table{}}},
		{"all tables", atLeast(perSecond, 100_000), tables()},
	} {
		if err := r.measure(ctx, c.what+", events", perSecond, c.goal, func(ctx context.Context) (float64, error) {
			began := time.Now()
			p, err := h.project(ctx, r, c.tables...)
			took := time.Since(began)
			if err != nil {
				return 0, err
			}
			return float64(h.events) / took.Seconds(), p.stop()
		}); err != nil {
			return err
		}
	}
	return nil
}

// read follows the log to its end, and verifies and decodes its frames.
func (h *history) read(ctx context.Context) (float64, error) {
	end := errors.New("read to the end")
	began := time.Now()
	var at store.Mark
	err := h.store.Follow(ctx, 1, func(m store.Message) error {
		if err := at.Follows(m); err != nil {
			return err
		}
		_, head, err := at.Next(m.Data)
		if err != nil {
			return err
		}
		at = store.Mark{Head: head, Sequence: m.Sequence}
		if head.Position >= h.head.Position {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		return 0, err
	}
	return float64(h.events) / time.Since(began).Seconds(), nil
}
