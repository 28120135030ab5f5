package refusals

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// maxReasons bounds the label reason.
const maxReasons = 128

// The outcomes of mesh_refused_total.
const (
	outcomeRecorded = "recorded" // it has, or will have, a record of its own
	outcomeCounted  = "counted"  // it is in a count
	outcomeLost     = "lost"     // it was one of these, and the process ended first
)

// Metrics of refused calls.
type Metrics struct {
	refused *prometheus.CounterVec

	mu      sync.Mutex
	reasons map[string]reasonMetrics // guarded by mu
}

// reasonMetrics are looked up once for each reason.
type reasonMetrics struct{ recorded, counted, lost prometheus.Counter }

func newMetrics() *Metrics {
	return &Metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mesh_refused_total", Help: "Refused calls by reason, and whether each has a record of its own.",
		}, []string{"reason", "outcome"}),
		reasons: map[string]reasonMetrics{},
	}
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := newMetrics()
	return m, reg.Register(m.refused)
}

// of returns the metrics of a reason, or of "other" beyond the bound.
func (m *Metrics) of(reason string) reasonMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.reasons[reason]
	if ok {
		return r
	}
	if len(m.reasons) >= maxReasons {
		if r, ok = m.reasons[other]; ok {
			return r
		}
		reason = other
	}
	r = reasonMetrics{
		recorded: m.refused.WithLabelValues(reason, outcomeRecorded),
		counted:  m.refused.WithLabelValues(reason, outcomeCounted),
		lost:     m.refused.WithLabelValues(reason, outcomeLost),
	}
	m.reasons[reason] = r
	return r
}

func (m *Metrics) took(reason string, recorded bool) {
	if recorded {
		m.of(reason).recorded.Inc()
		return
	}
	m.of(reason).counted.Inc()
}

func (m *Metrics) lost(batch []*controlv1.Refusal) {
	for _, r := range batch {
		m.of(r.Code).lost.Add(float64(r.Count))
	}
}
