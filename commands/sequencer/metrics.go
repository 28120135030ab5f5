package sequencer

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands"
)

// Metrics of the log as PROTOCOL §4 names them.
type Metrics struct {
	position  prometheus.Gauge
	duration  prometheus.Histogram
	events    prometheus.Histogram
	decisions *prometheus.CounterVec
	last      uint64
}

// NewMetrics registers the metrics; a nil registerer registers none.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		position: prometheus.NewGauge(prometheus.GaugeOpts{Name: "mesh_log_position", Help: "Last stored position of the log."}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mesh_log_append_duration_seconds",
			Help: "Time from publishing a frame to its ack.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16)}),
		events: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mesh_log_frame_events",
			Help: "Events per stored frame.", Buckets: prometheus.ExponentialBuckets(1, 4, 7)}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mesh_log_decisions_total",
			Help: "Answered commands by context and outcome."}, []string{"context", "outcome"}),
	}
	if reg != nil {
		reg.MustRegister(m.position, m.duration, m.events, m.decisions)
	}
	return m
}

func (m *Metrics) appended(took time.Duration, err error) {
	if err == nil {
		m.duration.Observe(took.Seconds())
	}
}

func (m *Metrics) observe(v View, r Ready) {
	at := uint64(v.Mark.Position)
	if len(r.Stored) > 0 && at > m.last {
		m.events.Observe(float64(at - m.last))
	}
	m.last = at
	m.position.Set(float64(at))
	for _, a := range r.Answers {
		if a.Pending.Barrier {
			continue
		}
		context, _, _ := strings.Cut(a.Pending.Request.Command.CommandName(), ".")
		m.decisions.WithLabelValues(context, outcome(a)).Inc()
	}
}

func outcome(a Answer) string {
	var rejected *commands.Rejected
	switch {
	case errors.As(a.Err, &rejected):
		return "rejected"
	case a.Err != nil:
		return "failed"
	case a.Receipt.Replayed:
		return "replayed"
	case a.Receipt.DryRun:
		return "dry_run"
	}
	return "done"
}
