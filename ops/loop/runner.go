package loop

import (
	"context"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands/sequencer"
)

// Config of a Runner.
type Config struct {
	// Server is this server's name.
	Server string
	// Sequencer has the views and takes the commands.
	Sequencer Sequencer
	// Clock may be nil: the system's.
	Clock Clock
	// Logger may be nil: slog.Default.
	Logger *slog.Logger
	// Metrics registers the metrics; nil keeps them unregistered.
	Metrics prometheus.Registerer
}

// Runner runs controllers.
type Runner struct {
	server  string
	seq     Sequencer
	clock   Clock
	log     *slog.Logger
	metrics *metrics
	loops   []*controllerLoop
}

// New returns a runner of these controllers. Their names must differ.
func New(cfg Config, controllers ...Controller) *Runner {
	r := &Runner{server: cfg.Server, seq: cfg.Sequencer, clock: cfg.Clock, log: cfg.Logger, metrics: newMetrics(cfg.Metrics)}
	if r.clock == nil {
		r.clock = sequencer.SystemClock
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	for _, c := range controllers {
		r.loops = append(r.loops, newControllerLoop(r, c))
		for _, counter := range []*prometheus.CounterVec{r.metrics.steps, r.metrics.commands, r.metrics.rejections} {
			counter.WithLabelValues(c.Name()) // a series from the start, at 0
		}
	}
	return r
}

// Wake says that a new view is stored. It never blocks.
func (r *Runner) Wake() {
	for _, l := range r.loops {
		l.wakeUp()
	}
}

// Run runs all controllers until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, l := range r.loops {
		all.Go(func() { l.run(ctx) })
	}
	all.Wait()
	return nil
}

type metrics struct {
	steps, commands, rejections *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"controller"})
	}
	m := &metrics{
		steps:      counter("mesh_controller_steps_total", "Steps of a controller."),
		commands:   counter("mesh_controller_commands_total", "Commands that a controller submitted."),
		rejections: counter("mesh_controller_rejections_total", "Commands of a controller that were rejected or failed."),
	}
	if reg != nil {
		reg.MustRegister(m.steps, m.commands, m.rejections)
	}
	return m
}
