package sequencer_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// BenchmarkForward has 64 callers in a closed loop, on the leader and on another
// server whose transport is a call.
func BenchmarkForward(b *testing.B) {
	l := &slowLog{Log: memlog.New(nil)}
	leader := sequencer.New(options(l, memlog.NewRegister(nil)), sequencer.View{})
	idle := sequencer.New(options(l, memlog.NewRegister(nil)), sequencer.View{})
	net := &network{servers: map[string]*sequencer.Forwarder{}}
	metrics := prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	forwarder := func(name string, local sequencer.Local, reg prometheus.Registerer) *sequencer.Forwarder {
		f, err := sequencer.NewForwarder(sequencer.ForwardOptions{
			Server: name, Local: local, Transport: net, Leader: func() (string, bool) { return "s1", true },
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: sequencer.NewForwardMetrics(reg),
		})
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() { _ = f.Run(ctx) })
		return f
	}
	all.Go(func() { _ = leader.Run(ctx) })
	for !leader.Status().Leading {
		<-time.After(time.Millisecond)
	}
	net.servers["s1"] = forwarder("s1", leader, nil)
	other := forwarder("s2", idle, metrics)
	for name, f := range map[string]*sequencer.Forwarder{"leader": net.servers["s1"], "other": other} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			const callers = 64
			var work sync.WaitGroup
			for c := range callers {
				work.Go(func() {
					for i := c; i < b.N; i += callers {
						if _, err := f.Submit(ctx, label(fmt.Sprint(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			work.Wait()
			if f == other {
				b.ReportMetric(perBatch(b, metrics), "requests/batch")
			}
		})
	}
}

// perBatch is the mean of the batch sizes so far.
func perBatch(b *testing.B, reg *prometheus.Registry) float64 {
	families, err := reg.Gather()
	if err != nil {
		b.Fatal(err)
	}
	var h *dto.Histogram
	for _, f := range families {
		if f.GetName() == "mesh_forward_batch_requests" {
			h = f.Metric[0].GetHistogram()
		}
	}
	return h.GetSampleSum() / float64(h.GetSampleCount())
}
