package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/projections"
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
		{"one table, peers: a tenth of the events change a row", goal{}, []projections.Table{registry.Peers{}}},
		{"one table, shards: nine tenths of the events change a row", atLeast(perSecond, 300_000), []projections.Table{shardmap.Table{}}},
		{"all tables", atLeast(perSecond, 100_000), tables()},
	} {
		var rates, costs []float64
		for range r.reps {
			rate, cost, err := h.rebuilt(ctx, r, c.tables)
			if err != nil {
				return fmt.Errorf("%s: %w", c.what, err)
			}
			rates, costs = append(rates, rate), append(costs, cost)
		}
		r.add(c.what+"; events", perSecond, c.goal, rates, nil)
		r.add("its processor time for an event, on all cores", seconds, goal{}, costs, nil)
	}
	return nil
}

// rebuilt runs tables over the log, and returns the events per second and the
// processor time per event, which a busy machine changes less.
func (h *history) rebuilt(ctx context.Context, r *run, tables []projections.Table) (rate, cost float64, err error) {
	used, began := processorTime(), time.Now()
	p, err := h.project(ctx, r, tables...)
	if err != nil {
		return 0, 0, err
	}
	took, cpu := time.Since(began), processorTime()-used
	return float64(h.events) / took.Seconds(), cpu.Seconds() / float64(h.events), p.stop()
}

// read follows the log to its end, and verifies and decodes its frames.
func (h *history) read(ctx context.Context) (float64, error) {
	end := errors.New("read to the end")
	began := time.Now()
	var at store.Mark
	err := h.store.Follow(ctx, 1, func(m store.Message) error {
		_, next, err := at.Verify(m)
		if err != nil {
			return err
		}
		at = next
		if at.Position >= h.head.Position {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		return 0, err
	}
	return float64(h.events) / time.Since(began).Seconds(), nil
}
