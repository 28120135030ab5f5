package loop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/loop"
	"github.com/omnirelay/omnirelay/store"
)

// world is a sequencer that is told what to answer.
type world struct {
	mu        sync.Mutex
	position  events.Position
	authority bool
	sealed    events.Position
	answer    func(commands.Request) (commands.Receipt, error)
	requests  []commands.Request
	model     *model.Model // nil is an empty one
}

func (w *world) View() sequencer.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.model
	if m == nil {
		m = model.New()
	}
	if w.sealed != 0 {
		m = m.Clone()
		m.Control.Sealed = w.sealed
	}
	return sequencer.View{Model: m, Mark: store.Mark{Head: events.Head{Position: w.position}}}
}

func (w *world) HasAuthority() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.authority
}

func (w *world) Submit(_ context.Context, r commands.Request) (commands.Receipt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, r)
	return w.answer(r)
}

func (w *world) SubmitAll(ctx context.Context, rs []commands.Request, answer func(int, commands.Receipt, error)) {
	for i, r := range rs {
		receipt, err := w.Submit(ctx, r)
		answer(i, receipt, err)
	}
}

func (w *world) set(position events.Position, authority bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.position, w.authority = position, authority
}

// script is a controller that notes when it was asked, at which position.
type script struct {
	mu    sync.Mutex
	began time.Time
	steps []string
	do    func(n int, at events.Position) ([]commands.Command, time.Duration)
}

func (s *script) Name() string { return "script" }

func (s *script) Step(v sequencer.View, _ sequencer.Now) ([]commands.Command, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, fmt.Sprintf("%s@%d", time.Since(s.began), v.Mark.Position))
	return s.do(len(s.steps), v.Mark.Position)
}

func (s *script) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.steps, " ")
}

type wish struct{ why string }

func (wish) CommandName() string { return "test.Wish" }
func (w wish) Reason() string    { return w.why }

// play runs a controller inside a bubble of fake time.
func play(t *testing.T, w *world, c *script, during func(r *loop.Runner)) prometheus.Gatherer {
	t.Helper()
	reg := prometheus.NewRegistry()
	c.began = time.Now()
	clock := func() sequencer.Now { return sequencer.Now{Boot: time.Now().UnixNano()} }
	r := loop.New(loop.Config{Server: "s1", Sequencer: w, Clock: clock, Metrics: reg,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, c)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	synctest.Wait()
	during(r)
	synctest.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	return reg
}

// total is the sum of a counter over its labels.
func total(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestTimerAndWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{position: 1, authority: true}
		c := &script{do: func(n int, _ events.Position) ([]commands.Command, time.Duration) {
			if n == 1 {
				return nil, time.Second
			}
			return nil, 0
		}}
		play(t, w, c, func(r *loop.Runner) {
			time.Sleep(3 * time.Second)
			w.set(2, true)
			r.Wake()
			r.Wake() // together one step or two, never none
			synctest.Wait()
			time.Sleep(time.Hour)
		})
		got := c.String()
		if !strings.HasPrefix(got, "0s@1 1s@1 3s@2") || strings.Contains(got, "1h") {
			t.Errorf("steps: %s; want 0s@1, 1s@1, 3s@2 and nothing later", got)
		}
	})
}

// TestStepNamesItsTerm: a command names the control term of the view that its step
// was given, so that it has no effect under another.
func TestStepNamesItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{position: 1, authority: true, model: model.New()}
		commandtest.New(t, w.model).Given(&eventsv1.SessionOpened{NodeId: "n1", TtlMs: 1000},
			&eventsv1.LeadershipGranted{Scope: events.GlobalScope, NodeId: "s1"})
		control, _ := w.model.Leadership.Scope(events.GlobalScope)
		w.answer = func(commands.Request) (commands.Receipt, error) { return commands.Receipt{Position: 1}, nil }
		c := &script{do: func(n int, _ events.Position) ([]commands.Command, time.Duration) {
			return []commands.Command{wish{}}[:max(0, 2-n)], 0
		}}
		play(t, w, c, func(*loop.Runner) { synctest.Wait() })
		if len(w.requests) != 1 || w.requests[0].Term != control.Term || control.Term == 0 {
			t.Errorf("in term %d it submits %+v", control.Term, w.requests)
		}
	})
}

func TestNoStepWithoutAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{position: 1}
		c := &script{do: func(int, events.Position) ([]commands.Command, time.Duration) { return nil, 0 }}
		play(t, w, c, func(r *loop.Runner) {
			r.Wake()
			time.Sleep(250 * time.Millisecond)
			w.set(1, true)
			time.Sleep(time.Hour)
		})
		if got := c.String(); got != "302ms@1" {
			t.Errorf("steps: %s; want one, at the first poll with authority, 302ms@1: the wake-up at 0 was followed by a pause", got)
		}
	})
}

// TestNoStepOnASealedLog: every command would be refused; the view that resumes
// wakes the controller.
func TestNoStepOnASealedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{position: 1, authority: true, sealed: 1}
		c := &script{do: func(int, events.Position) ([]commands.Command, time.Duration) { return nil, time.Minute }}
		play(t, w, c, func(r *loop.Runner) {
			time.Sleep(time.Second)
			w.mu.Lock()
			w.sealed, w.position = 0, 2
			w.mu.Unlock()
			r.Wake()
		})
		if got, want := c.String(), "1s@2"; got != want {
			t.Errorf("steps are %q, want %q", got, want)
		}
	})
}

func TestWaitsForItsReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{position: 5, authority: true, answer: func(commands.Request) (commands.Receipt, error) {
			return commands.Receipt{Position: 9}, nil
		}}
		c := &script{do: func(n int, _ events.Position) ([]commands.Command, time.Duration) {
			if n == 1 {
				return []commands.Command{wish{"first"}, wish{}}, time.Minute
			}
			return nil, 0
		}}
		play(t, w, c, func(r *loop.Runner) {
			for at := events.Position(6); at <= 9; at++ {
				time.Sleep(time.Second)
				w.set(at, true)
				r.Wake()
				synctest.Wait()
			}
		})
		if got := c.String(); got != "0s@5 4s@9" {
			t.Errorf("steps: %s; want 0s@5 4s@9: not before the view shows position 9", got)
		}
		reasons := map[string]bool{}
		for _, r := range w.requests {
			reasons[r.Actor+" | "+r.Reason] = true
		}
		want := map[string]bool{"node/s1 | controller/script: first": true, "node/s1 | controller/script": true}
		if diff := cmp.Diff(want, reasons); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBacksOffAfterRejections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 0
		w := &world{position: 1, authority: true}
		w.answer = func(commands.Request) (commands.Receipt, error) {
			failures++
			switch {
			case failures <= 2:
				return commands.Receipt{}, commands.Refuse("shard_moving", "not now")
			case failures == 3:
				return commands.Receipt{}, errors.New("disk on fire")
			}
			return commands.Receipt{Position: 1}, nil
		}
		c := &script{do: func(n int, _ events.Position) ([]commands.Command, time.Duration) {
			if n <= 4 {
				return []commands.Command{wish{}}, 0
			}
			return nil, 0
		}}
		reg := play(t, w, c, func(r *loop.Runner) {
			r.Wake()
			time.Sleep(time.Hour)
			r.Wake()
		})
		if got, want := c.String(), "0s@1 50ms@1 150ms@1 350ms@1 1h0m0s@1"; got != want {
			t.Errorf("steps: %s; want %s", got, want)
		}
		if got := total(t, reg, "mesh_controller_rejections_total"); got != 3 {
			t.Errorf("%v rejections counted, want 3", got)
		}
		if got := total(t, reg, "mesh_controller_steps_total"); got != 5 {
			t.Errorf("%v steps counted, want 5", got)
		}
	})
}

func TestWokenByNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{position: 1, authority: true}
		news := make(chan struct{}, 1)
		c := &script{do: func(int, events.Position) ([]commands.Command, time.Duration) { return nil, 0 }, began: time.Now()}
		r := loop.New(loop.Config{Server: "s1", Sequencer: w, Clock: func() sequencer.Now { return sequencer.Now{} }}, loop.WokenBy(c, news))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = r.Run(ctx) }()
		time.Sleep(time.Second)
		news <- struct{}{}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if got := c.String(); got != "0s@1 1s@1" {
			t.Errorf("steps: %s; want 0s@1 1s@1", got)
		}
	})
}
