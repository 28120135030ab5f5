package sequencer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// TestForwardAsLocally: what a server that does not lead answers is what the
// leader would have: receipts with their events, rejections with their fields,
// dry runs, barriers, other errors.
func TestForwardAsLocally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		conflict := label("v")
		conflict.IfVersion = 77
		dry := label("dry")
		dry.DryRun = true
		nobody := label("x")
		nobody.Actor = ""
		for name, r := range map[string]commands.Request{
			"rejected": {Actor: "user/a", Command: membership.Cordon{NodeID: "nobody"}},
			"invalid":  {Actor: "user/a", Command: membership.Update{NodeID: "n1", Labels: map[string]string{"n": "\xff"}}},
			"conflict": conflict, "dry run": dry, "no actor": nobody,
		} {
			want, wantErr := m.s1.forward.Submit(t.Context(), r)
			got, gotErr := m.s2.forward.Submit(t.Context(), r)
			if diff := cmp.Diff(want, got, protocmp.Transform(), cmpopts.IgnoreFields(commands.Receipt{}, "Time")); diff != "" {
				t.Errorf("%s (-leader +other):\n%s", name, diff)
			}
			var a, b *commands.Rejected
			errors.As(wantErr, &a)
			errors.As(gotErr, &b)
			if diff := cmp.Diff(a, b); diff != "" || (wantErr == nil) != (gotErr == nil) {
				t.Errorf("%s: %v, %v (-leader +other):\n%s", name, wantErr, gotErr, diff)
			}
		}
		receipt, err := m.s2.forward.Submit(t.Context(), label("done"))
		at, failed := m.s2.forward.Barrier(t.Context())
		if err != nil || failed != nil || at != receipt.Position || len(receipt.Events) != 1 || receipt.EventsCut ||
			events.TypeOf(receipt.Events[0]) != "NodeUpdated" || receipt.Time == 0 {
			t.Errorf("done: %+v, %v; barrier %d, %v", receipt, err, at, failed)
		}
		if at != markOf(t, m.log.Log).Position {
			t.Errorf("the log ends at %d", markOf(t, m.log.Log).Position)
		}
	})
}

// TestForwardCoalesces: many callers share few messages, at most a window of them
// is under way, and every command is stored once.
func TestForwardCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		m.net.set(func(string) delivery { return delivery{before: time.Millisecond, after: time.Millisecond} })
		before := markOf(t, m.log.Log).Position
		const callers, each = 64, 20
		var mu sync.Mutex
		seen := map[events.Position]bool{}
		var all sync.WaitGroup
		for c := range callers {
			all.Go(func() {
				for i := range each {
					receipt, err := m.s2.forward.Submit(t.Context(), label(fmt.Sprintf("%d.%d", c, i)))
					if err != nil {
						t.Errorf("submit: %v", err)
					}
					if _, err := m.s2.forward.Barrier(t.Context()); err != nil {
						t.Errorf("barrier: %v", err)
					}
					mu.Lock()
					seen[receipt.Position] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if after := markOf(t, m.log.Log).Position; len(seen) != callers*each || int(after-before) != callers*each {
			t.Errorf("%d positions of %d commands; %d events are stored", len(seen), callers*each, after-before)
		}
		if m.net.messages() > 300 || m.net.most > 3 { // one by one they would be 2,560
			t.Errorf("%d messages, %d at a time", m.net.messages(), m.net.most)
		}
		// Nothing is held back: alone, a caller waits for the journey and the disk.
		began := time.Now()
		if _, err := m.s2.forward.Submit(t.Context(), label("alone")); err != nil || time.Since(began) > 3*time.Millisecond {
			t.Errorf("a single caller: %v after %v", err, time.Since(began))
		}
	})
}

// TestForwardKeepsOrder: what is submitted together is decided in its order, also
// when it is more than a batch and messages overtake each other.
func TestForwardKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		slow := true
		m.net.set(func(string) delivery {
			slow = !slow
			return delivery{before: time.Duration(5*count(!slow)) * time.Millisecond}
		})
		positions := map[int]events.Position{}
		m.s2.forward.SubmitAll(t.Context(), labels(1000), func(i int, r commands.Receipt, err error) {
			if err != nil {
				t.Errorf("request %d: %v", i, err)
			}
			positions[i] = r.Position
		})
		for i := 1; i < 1000; i++ {
			if positions[i] != positions[i-1]+1 {
				t.Fatalf("request %d is at %d, the one before at %d", i, positions[i], positions[i-1])
			}
		}
		if n := m.net.messages(); n != 4 {
			t.Errorf("1,000 requests went in %d messages", n)
		}
	})
}

// TestForwardOutcomes: what a caller is told of each fault of the network, and
// whether the command was done.
func TestForwardOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		fault  delivery
		to     string
		want   error
		not    error
		stored bool
	}{
		"nobody there":      {fault: delivery{unreachable: true}, want: sequencer.ErrNotLeader, not: sequencer.ErrOutcomeUnknown},
		"another server":    {to: "s9", want: sequencer.ErrNotLeader, not: sequencer.ErrOutcomeUnknown},
		"no leader there":   {to: "s3", want: sequencer.ErrNotLeader, not: sequencer.ErrOutcomeUnknown},
		"lost on the way":   {fault: delivery{lost: true}, want: sequencer.ErrOutcomeUnknown},
		"answer lost":       {fault: delivery{unanswered: true}, want: sequencer.ErrOutcomeUnknown, stored: true},
		"answer late":       {fault: delivery{after: 2 * time.Second}, want: sequencer.ErrOutcomeUnknown, stored: true},
		"answer garbled":    {fault: delivery{garbled: true}, want: sequencer.ErrOutcomeUnknown, stored: true},
		"delivered twice":   {fault: delivery{twice: true}, stored: true},
		"delivered in time": {fault: delivery{before: 300 * time.Millisecond}, stored: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t)
				defer m.close()
				m.server("s3")
				if c.to != "" {
					m.says(c.to)
				}
				m.net.set(func(string) delivery { return c.fault })
				before := markOf(t, m.log.Log)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				receipt, err := m.s2.forward.Submit(ctx, keyed("v", 1))
				if !errors.Is(err, c.want) || (c.not != nil && errors.Is(err, c.not)) {
					t.Errorf("the caller is told %+v, %v", receipt, err)
				}
				waitTimer(5 * time.Second)
				if after := markOf(t, m.log.Log); int(after.Position-before.Position) != count(c.stored) {
					t.Errorf("%d events are stored", after.Position-before.Position)
				}
			})
		})
	}
}

// TestForwardBarrierFails: a barrier has no effect that could be unknown.
func TestForwardBarrierFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		m.net.set(func(string) delivery { return delivery{garbled: true} })
		if _, err := m.s2.forward.Barrier(t.Context()); !errors.Is(err, sequencer.ErrNotLeader) || errors.Is(err, sequencer.ErrOutcomeUnknown) {
			t.Errorf("a broken answer: %v", err)
		}
		m.net.set(func(string) delivery { return delivery{lost: true} })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.s2.forward.Barrier(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sequencer.ErrOutcomeUnknown) {
			t.Errorf("no answer: %v", err)
		}
	})
}

// TestForwardGivesUp: who stops waiting is told whether the command was sent; one
// that was not never is, and a batch that nobody waits for makes room.
func TestForwardGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		m.net.set(func(string) delivery { return delivery{lost: true} })
		sent, cancelSent := context.WithCancel(t.Context())
		queued, cancelQueued := context.WithCancel(t.Context())
		errs := make(chan error, 8)
		ask := func(ctx context.Context) {
			go func() {
				_, err := m.s2.forward.Submit(ctx, label("v"))
				errs <- err
			}()
			waitTimer(time.Millisecond)
		}
		for range 3 { // that is the window
			ask(sent)
		}
		for range 5 {
			ask(queued)
		}
		cancelQueued()
		for range 5 {
			if err := <-errs; !errors.Is(err, context.Canceled) || errors.Is(err, sequencer.ErrOutcomeUnknown) {
				t.Errorf("one that was queued: %v", err)
			}
		}
		cancelSent()
		for range 3 {
			if err := <-errs; !errors.Is(err, context.Canceled) || !errors.Is(err, sequencer.ErrOutcomeUnknown) {
				t.Errorf("one that was sent: %v", err)
			}
		}
		m.net.set(nil)
		began := time.Now()
		if _, err := m.s2.forward.Submit(t.Context(), label("next")); err != nil || time.Since(began) > 10*time.Millisecond {
			t.Errorf("the next one: %v after %v", err, time.Since(began))
		}
		if n := m.net.messages(); n != 4 {
			t.Errorf("%d messages; what was given up may not be sent", n)
		}
	})
}

// TestForwardBounds: beyond its bound the queue refuses at once; this server's own
// commands have room of their own; what is given up leaves its room to others.
func TestForwardBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		s := m.server("s4", func(o *sequencer.ForwardOptions) { o.MaxQueue = 10 })
		m.says("") // nothing leaves the queue
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for i := range 10 {
			waiting.Go(func() {
				if _, err := s.forward.Submit(ctx, label(fmt.Sprint(i))); !errors.Is(err, context.Canceled) {
					t.Errorf("one that waits: %v", err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		if _, err := s.forward.Submit(t.Context(), label("more")); !errors.Is(err, sequencer.ErrOverloaded) || time.Now() != began {
			t.Errorf("one more: %v after %v", err, time.Since(began))
		}
		if _, err := s.forward.Barrier(t.Context()); !errors.Is(err, sequencer.ErrOverloaded) {
			t.Errorf("a barrier: %v", err)
		}
		own := label("own")
		own.Actor = "node/s4"
		owned := make(chan error, 1)
		go func() { _, err := s.forward.Submit(t.Context(), own); owned <- err }()
		synctest.Wait()
		cancel()
		waiting.Wait()
		m.says("s1")
		if err := <-owned; err != nil {
			t.Errorf("its own: %v", err)
		}
		if _, err := s.forward.Submit(t.Context(), label("later")); err != nil {
			t.Errorf("with room again: %v", err)
		}

		var told []string
		r := m.server("s5", func(o *sequencer.ForwardOptions) {
			o.OnRefused = func(r sequencer.Refusal) { told = append(told, r.Rejected.Reason) }
		})
		large := label("x")
		large.Command = shard.Pause{Namespace: "a", Shards: make([]uint32, 1<<20)}
		var rejected *commands.Rejected
		if _, err := r.forward.Submit(t.Context(), large); !errors.As(err, &rejected) || rejected.Reason != "too_large" || len(told) != 1 { // A6
			t.Errorf("what no message holds: %v; told of %v", err, told)
		}
	})
}

// TestForwardNoLeader: without a leader a command waits as long as a hand-over
// takes, then it is refused; one that appears meanwhile gets it.
func TestForwardNoLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		m.says("")
		began := time.Now()
		_, err := m.s2.forward.Submit(t.Context(), label("v"))
		if took := time.Since(began); !errors.Is(err, sequencer.ErrNotLeader) || took < sequencer.NoLeaderWait || took > 2*sequencer.NoLeaderWait {
			t.Errorf("%v after %v", err, took)
		}
		answer := make(chan error, 1)
		go func() { _, err := m.s2.forward.Submit(t.Context(), label("v")); answer <- err }()
		waitTimer(sequencer.NoLeaderWait / 2)
		m.says("s1")
		if err := <-answer; err != nil {
			t.Errorf("a leader appears: %v", err)
		}
	})
}

// TestForwardLeaderDies: batches to a leader that died do not hold up those to the
// next one, and their callers are told soon, so that they can ask again: the same
// key has one effect, also through another server (A2).
func TestForwardLeaderDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		s3 := m.server("s3")
		m.net.set(func(to string) delivery { return delivery{unanswered: to == "s1"} })
		keys := []commands.Request{keyed("0", 10), keyed("1", 11), keyed("2", 12)}
		errs := make(chan error, 3)
		for _, r := range keys {
			go func() { _, err := m.s2.forward.Submit(t.Context(), r); errs <- err }()
			waitTimer(5 * time.Millisecond)
		}
		stored := markOf(t, m.log.Log).Position
		m.s1.end()
		m.lead(s3)
		m.says("s3")
		began := time.Now()
		receipt, err := m.s2.forward.Submit(t.Context(), label("new"))
		if err != nil || time.Since(began) > 20*time.Millisecond {
			t.Errorf("to the next leader: %+v, %v after %v", receipt, err, time.Since(began))
		}
		for range keys {
			if err := <-errs; !errors.Is(err, sequencer.ErrOutcomeUnknown) || errors.Is(err, sequencer.ErrNotLeader) {
				t.Errorf("to the dead one: %v", err)
			}
		}
		if took := time.Since(began); took > 2*sequencer.ChangeGrace {
			t.Errorf("its callers were told after %v", took)
		}
		for i, r := range keys {
			here, err1 := m.s2.forward.Submit(t.Context(), r)
			there, err2 := s3.forward.Submit(t.Context(), r)
			if err1 != nil || err2 != nil || !here.Replayed || here.Position != stored-2+events.Position(i) || cmp.Diff(here, there) != "" {
				t.Errorf("key %d: %+v, %v here; %+v, %v at the leader; %d is its position", i, here, err1, there, err2, stored-2+events.Position(i))
			}
		}
	})
}

// TestForwardOwnLead: a server that begins to lead decides what it had queued.
func TestForwardOwnLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		m.s1.end()
		m.says("s2") // it is about to
		var all sync.WaitGroup
		all.Go(func() {
			a := 0
			m.s2.forward.SubmitAll(t.Context(), labels(3), func(_ int, r commands.Receipt, err error) {
				if a++; err != nil || r.Position == 0 {
					t.Errorf("%+v, %v", r, err)
				}
			})
			if a != 3 {
				t.Errorf("%d answers", a)
			}
		})
		all.Go(func() {
			if at, err := m.s2.forward.Barrier(t.Context()); err != nil || at == 0 {
				t.Errorf("barrier: %d, %v", at, err)
			}
		})
		synctest.Wait()
		m.lead(m.s2)
		all.Wait()
		if n := m.net.messages(); n != 0 {
			t.Errorf("%d messages", n)
		}
	})
}

// TestForwardStop: a stop refuses what is queued, waits for what is under way, and
// for no one for ever.
func TestForwardStop(t *testing.T) {
	for name, c := range map[string]struct {
		fault delivery
		want  error
	}{
		"answered": {delivery{before: 100 * time.Millisecond}, nil},
		"silent":   {delivery{lost: true}, sequencer.ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t)
				defer m.close()
				m.net.set(func(string) delivery { return c.fault })
				var sent [3]error
				var queued error
				var all sync.WaitGroup
				for i := range sent {
					all.Go(func() { _, sent[i] = m.s2.forward.Submit(t.Context(), label(fmt.Sprint(i))) })
					waitTimer(time.Millisecond)
				}
				all.Go(func() { _, queued = m.s2.forward.Submit(t.Context(), label("queued")) })
				waitTimer(time.Millisecond)
				m.s2.stop()
				all.Wait()
				for _, err := range sent {
					if !errors.Is(err, c.want) {
						t.Errorf("under way: %v", err)
					}
				}
				if !errors.Is(queued, sequencer.ErrNotLeader) {
					t.Errorf("queued: %v", queued)
				}
				if _, err := m.s2.forward.Submit(t.Context(), label("late")); !errors.Is(err, sequencer.ErrNotLeader) {
					t.Errorf("after the end: %v", err)
				}
			})
		})
	}
}

// TestForwardLeaderStalls: a leader that cannot store answers within the time of the
// batch, that the outcome is open, and works on it no longer.
func TestForwardLeaderStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		m.log.gate = make(chan struct{})
		began := time.Now()
		_, err := m.s2.forward.Submit(t.Context(), label("v")) // no deadline of its own
		if took := time.Since(began); !errors.Is(err, sequencer.ErrOutcomeUnknown) || took != sequencer.MaxForwardWait {
			t.Errorf("%v after %v", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		// Behind the one that is stuck it was not tried: the leader may still say so.
		if _, err := m.s2.forward.Submit(ctx, label("v")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
		m.net.running.Wait() // nobody works on either
		close(m.log.gate)
	})
}

// TestForwardLogFull: errors of the store keep their name on the way.
func TestForwardLogFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		opts := m.options("s5")
		opts.Full = func() bool { return true }
		m.s1.end()
		s := m.server("s5")
		s.seq = sequencer.New(opts, sequencer.View{})
		f, err := sequencer.NewForwarder(sequencer.ForwardOptions{Server: "s5", Local: s.seq, Transport: m.net, Leader: m.leader})
		if err != nil {
			t.Fatal(err)
		}
		m.net.mu.Lock()
		m.net.servers["s5"] = f
		m.net.mu.Unlock()
		m.lead(s)
		m.says("s5")
		if _, err := m.s2.forward.Submit(t.Context(), label("v")); !errors.Is(err, store.ErrLogFull) {
			t.Errorf("%v", err)
		}
	})
}

// TestForwardLargeRequests: requests that no message holds together go in several,
// and a request that is larger than a batch goes alone.
func TestForwardLargeRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		rs := make([]commands.Request, 60)
		for i := range rs { // some 16 KiB each
			many := map[string]string{}
			for k := range commands.MaxLabels {
				many[fmt.Sprintf("k%d", k)] = strings.Repeat(fmt.Sprint(i%10), commands.MaxLabelValue)
			}
			rs[i] = commands.Request{Actor: "user/a", Command: membership.Update{NodeID: "n1", Labels: many}, DryRun: true}
		}
		rs[30].Reason = strings.Repeat("x", 600<<10)
		before := m.net.messages()
		m.s2.forward.SubmitAll(t.Context(), rs, func(i int, r commands.Receipt, err error) {
			if err != nil || len(r.Events) != 1 || events.TypeOf(r.Events[0]) != "NodeUpdated" || r.EventsCut {
				t.Errorf("request %d: %d events, %v", i, len(r.Events), err)
			}
		})
		if n := m.net.messages() - before; n != 3 {
			t.Errorf("%d messages", n)
		}
	})
}

// TestForwardMetrics: every command is counted once, under what its caller was
// told.
func TestForwardMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t)
		defer m.close()
		reg := prometheus.NewRegistry()
		s := m.server("s4", func(o *sequencer.ForwardOptions) { o.Metrics = sequencer.NewForwardMetrics(reg) })
		ask := func(r commands.Request, how delivery) {
			m.net.set(func(string) delivery { return how })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = s.forward.Submit(ctx, r)
		}
		again, dry := keyed("v", 1), label("dry")
		dry.DryRun = true
		nobody := label("v")
		nobody.Actor = ""
		ask(again, delivery{})
		ask(again, delivery{})
		ask(dry, delivery{})
		ask(nobody, delivery{})
		ask(label("v"), delivery{unreachable: true})
		ask(label("v"), delivery{lost: true})
		m.says("")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = s.forward.Submit(ended, label("v"))
		got := map[string]float64{}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, x := range f.Metric {
				switch f.GetName() {
				case "mesh_forward_requests_total":
					got[x.GetLabel()[0].GetValue()] = x.GetCounter().GetValue()
				case "mesh_forward_queue_requests":
					got["waiting"] = x.GetGauge().GetValue()
				case "mesh_forward_batch_requests":
					got["batches"] = float64(x.GetHistogram().GetSampleCount())
				}
			}
		}
		want := map[string]float64{
			"done": 1, "replayed": 1, "dry_run": 1, "rejected": 1, "no_leader": 1, "unknown": 1, "not_tried": 1,
			"waiting": 0, "batches": 6,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
