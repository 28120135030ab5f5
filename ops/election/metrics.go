package election

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	campaigns, diverged prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		campaigns: prometheus.NewCounter(prometheus.CounterOpts{Name: "mesh_control_campaigns_total",
			Help: "Times that this server campaigned for control leadership."}),
		diverged: prometheus.NewCounter(prometheus.CounterOpts{Name: "mesh_log_diverged_total",
			Help: "Beats of servers that showed another head than this one at the same position: 0 unless a log is damaged."}),
	}
	if reg != nil {
		reg.MustRegister(m.campaigns, m.diverged)
	}
	return m
}
