package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the API; PROTOCOL §4 has their names.
type metrics struct {
	duration *prometheus.HistogramVec
	requests *prometheus.CounterVec
}

// methodMetrics are those of one RPC, looked up once.
type methodMetrics struct{ duration prometheus.Observer }

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mesh_api_request_duration_seconds",
			Help:    "Time to answer a call that is no stream, by RPC.",
			Buckets: prometheus.ExponentialBuckets(100e-6, 2, 17),
		}, []string{"method"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mesh_transport_requests_total",
			Help: "Calls and streams that ended, by protocol, encoding and code.",
		}, []string{"protocol", "encoding", "code"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.duration, m.requests} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ended counts a call, and its time if it was no stream.
func (m *metrics) ended(c *call, started time.Time, code string, stream bool) {
	m.requests.WithLabelValues(c.protocol, c.encoding, code).Inc()
	if !stream {
		c.method.metrics.duration.Observe(time.Since(started).Seconds())
	}
}
