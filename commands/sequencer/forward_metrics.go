package sequencer

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/store"
)

// ForwardMetrics are what a server says of the commands that it forwards.
type ForwardMetrics struct {
	requests *prometheus.CounterVec
	batches  prometheus.Histogram
	waiting  prometheus.Gauge
}

// NewForwardMetrics registers the metrics; a nil registerer registers none.
//
//	mesh_forward_requests_total{outcome}   commands of this server's callers, by
//	    done, replayed, dry_run, rejected, overloaded, no_leader, newer_release,
//	    older_leader, log_full, unknown, not_tried, failed
//	mesh_forward_batch_requests            commands in each batch that was sent
//	mesh_forward_queue_requests            commands and barriers that wait now
func NewForwardMetrics(reg prometheus.Registerer) *ForwardMetrics {
	m := &ForwardMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mesh_forward_requests_total",
			Help: "Commands that were forwarded to the control leader, by outcome."}, []string{"outcome"}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mesh_forward_batch_requests",
			Help: "Commands per batch to the control leader.", Buckets: prometheus.ExponentialBuckets(1, 2, 9)}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "mesh_forward_queue_requests",
			Help: "Commands and barriers that wait to be sent to the control leader."}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.batches, m.waiting)
	}
	return m
}

func (m *ForwardMetrics) batch(requests int) {
	if requests > 0 { // else it is a barrier alone
		m.batches.Observe(float64(requests))
	}
}

func (m *ForwardMetrics) queued(n int) { m.waiting.Set(float64(n)) }

func (m *ForwardMetrics) answered(r commands.Receipt, err error) {
	m.requests.WithLabelValues(forwardOutcome(r, err)).Inc()
}

func forwardOutcome(r commands.Receipt, err error) string {
	var rejected *commands.Rejected
	switch {
	case err == nil:
		return outcome(Answer{Receipt: r})
	case errors.As(err, &rejected):
		return "rejected"
	case errors.Is(err, ErrOutcomeUnknown):
		return "unknown"
	case errors.Is(err, ErrOverloaded):
		return "overloaded"
	case errors.Is(err, ErrNotLeader):
		return "no_leader"
	case errors.Is(err, ErrNewerRelease):
		return "newer_release"
	case errors.Is(err, ErrOlderLeader):
		return "older_leader"
	case errors.Is(err, store.ErrLogFull):
		return "log_full"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "not_tried"
	}
	return "failed"
}
