package watch

import (
	"context"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store"
)

// NewLog returns the hub of the log's events themselves. What a watcher missed
// is read from the log and verified; there is no snapshot, so Start Snapshot is
// Head.
func NewLog(p Projector, log store.Log, cfg Config) (*Hub[events.Recorded], error) {
	return newHub(p, "log", cfg, source[events.Recorded](logSource{log}))
}

type logSource struct{ log store.Log }

func (s logSource) routes(d *projections.Decision, _ func(string)) (int, bool) {
	return len(d.Events), false
}

func (s logSource) live(d *projections.Decision, fn func(change[events.Recorded]) error) error {
	for _, rec := range d.Events {
		if err := fn(change[events.Recorded]{event: d.Info.Event(rec.Position), current: rec}); err != nil {
			return err
		}
	}
	return nil
}

func (s logSource) stored(ctx context.Context, v *projections.View, from, to events.Position, fn func(change[events.Recorded]) error) error {
	return projections.Events(ctx, s.log, v, from, to, func(d *projections.DecisionInfo, rec events.Recorded) error {
		return fn(change[events.Recorded]{event: d.Event(rec.Position), current: rec})
	})
}

func (s logSource) rows(*projections.View, string, func(events.Recorded) error) error { return nil }

func (s logSource) passes(o *Options[events.Recorded], c *change[events.Recorded]) bool {
	return o.passes(c.current, false)
}
