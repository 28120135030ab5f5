package watch

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// watched is what metrics read of a hub.
type watched interface {
	kind() string
	Watchers() int
	Lag() uint64
}

// Metrics are those of all hubs of a server. They are read when collected, so a
// watch pays nothing for them.
type Metrics struct {
	watchers *prometheus.Desc
	lag      *prometheus.Desc

	mu   sync.Mutex
	hubs []watched
}

// NewMetrics registers the metrics of hubs; see PROTOCOL §4.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		watchers: prometheus.NewDesc("mesh_watchers", "Open watches.", []string{"kind"}, nil),
		lag:      prometheus.NewDesc("mesh_watch_lag_events", "Events that the slowest watcher has not been given.", nil, nil),
	}
	if err := reg.Register(m); err != nil {
		return nil, fmt.Errorf("watch: register metrics: %w", err)
	}
	return m, nil
}

func (m *Metrics) add(h watched) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hubs = append(m.hubs, h)
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.watchers
	out <- m.lag
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lag uint64
	for _, h := range m.hubs {
		lag = max(lag, h.Lag())
		out <- prometheus.MustNewConstMetric(m.watchers, prometheus.GaugeValue, float64(h.Watchers()), h.kind())
	}
	out <- prometheus.MustNewConstMetric(m.lag, prometheus.GaugeValue, float64(lag))
}
