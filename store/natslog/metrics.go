package natslog

import "github.com/prometheus/client_golang/prometheus"

// metrics of what a store does to trust its disk.
type metrics struct {
	scrubbed, damaged, rounds, healed prometheus.Counter
	replicaLag, short                 prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &metrics{
		scrubbed:   counter("mesh_log_scrub_bytes_total", "Bytes of the log's files that the scrub has verified."),
		damaged:    counter("mesh_log_scrub_damaged_total", "Damaged places that the scrub has found in the log's files: 0 unless a disk fails."),
		rounds:     counter("mesh_log_scrub_rounds_total", "Times that the scrub has verified all of the log's files."),
		replicaLag: gauge("mesh_log_replica_behind", "Messages that this server has followed and its own copy of the log does not hold in time; 0 when it does."),
		short:      gauge("mesh_log_tail_lost", "Messages that were stored and that the log has lost; 0 unless JetStream forgot some."),
		healed:     counter("mesh_log_tail_healed_total", "Messages that this server has put back on the log since it started."),
	}
	if reg != nil {
		reg.MustRegister(m.scrubbed, m.damaged, m.rounds, m.replicaLag, m.short, m.healed)
	}
	return m
}
