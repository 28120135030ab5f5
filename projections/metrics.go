package projections

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the projector's; see PROTOCOL §4.
type metrics struct {
	position prometheus.Gauge
	lag      prometheus.Gauge
	apply    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		position: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mesh_projection_position", Help: "Position that reads are answered from.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mesh_projection_lag_events", Help: "Events that were read from the log and are not yet visible to reads.",
		}),
		apply: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mesh_projection_apply_duration_seconds", Help: "Time to apply and commit one group of frames.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16),
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.position, m.lag, m.apply} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("projections: register metrics: %w", err)
		}
	}
	return m, nil
}
