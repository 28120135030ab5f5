package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/client"
)

// ledger is the effect of commands: one per key, as a server has it.
type ledger struct {
	mu       sync.Mutex
	position int64
	keys     map[string]int64
}

func (l *ledger) do(c *controlv1.Command) *controlv1.Ack {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = make(map[string]int64)
	}
	key := c.GetCordonPeer().GetMutation().GetIdempotencyKey()
	if _, ok := l.keys[key]; !ok {
		l.position++
		l.keys[key] = l.position
	}
	return &controlv1.Ack{Id: c.GetId(), Receipt: &controlv1.Receipt{Position: l.keys[key]}}
}

func (l *ledger) effects() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys)
}

func (l *ledger) batch(b *controlv1.CommandBatch) (*controlv1.AckBatch, error) {
	acks := &controlv1.AckBatch{}
	for _, c := range b.GetCommands() {
		acks.Acks = append(acks.Acks, l.do(c))
	}
	return acks, nil
}

func command(node string) *controlv1.Command {
	return &controlv1.Command{Command: &controlv1.Command_CordonPeer{CordonPeer: &controlv1.CordonPeerRequest{NodeId: node}}}
}

// runner starts a Commander or Lookuper and ends it with the test.
func runner(t testing.TB, run func(context.Context) error) context.CancelFunc {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// submitAll submits n commands from n goroutines.
func submitAll(t testing.TB, m *client.Commander, n int) {
	t.Helper()
	var group sync.WaitGroup
	ctx := bounded(t)
	for i := range n {
		group.Go(func() {
			if receipt, err := m.Submit(ctx, command(fmt.Sprint(i))); err != nil || receipt.GetPosition() == 0 {
				t.Errorf("command %d: %v, %v", i, receipt, err)
			}
		})
	}
	group.Wait()
}

func TestCommanderCoalesces(t *testing.T) {
	var l ledger
	var messages, inFlight, most atomic.Int64
	release := make(chan struct{})
	f := &fake{stream: func(_ context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
		var sending sync.Mutex
		var group sync.WaitGroup
		defer group.Wait()
		for {
			b, err := s.Receive()
			if err != nil {
				return nil
			}
			messages.Add(1)
			most.Store(max(most.Load(), inFlight.Add(1)))
			group.Go(func() {
				<-release
				acks, _ := l.batch(b)
				inFlight.Add(-1)
				sending.Lock()
				defer sending.Unlock()
				_ = s.Send(acks)
			})
		}
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	m := c.NewCommander()
	runner(t, m.Run)
	done := make(chan struct{})
	go func() {
		defer close(done)
		submitAll(t, m, 1000)
	}()
	waitFor(t, func() bool { return messages.Load() == 2 })
	close(release)
	<-done
	if l.effects() != 1000 {
		t.Errorf("%d effects, want 1000", l.effects())
	}
	if most.Load() > 2 {
		t.Errorf("%d messages were in flight, want at most 2", most.Load())
	}
	if messages.Load() > 50 {
		t.Errorf("1000 commands took %d messages", messages.Load())
	}
}

// Streams are lost at every stage: before anything is read, after the effect
// but before the ack, in the middle. Each command has one effect.
func TestCommanderSurvivesLostStreams(t *testing.T) {
	var l ledger
	var streams atomic.Int64
	f := &fake{stream: func(_ context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
		n := streams.Add(1)
		for i := 0; ; i++ {
			b, err := s.Receive()
			if err != nil {
				return nil
			}
			acks, _ := l.batch(b)
			if n < 6 && i == int(n)%3 {
				return refusal(connect.CodeUnavailable, "lost", &controlv1.ErrorDetail{})
			}
			if err := s.Send(acks); err != nil {
				return err
			}
		}
	}}
	a, b := serve(t, f.handler()), serve(t, f.handler())
	m := dial(t, nil, a.URL, dead(t), b.URL).NewCommander()
	runner(t, m.Run)
	for range 10 {
		submitAll(t, m, 40)
	}
	if l.effects() != 400 {
		t.Errorf("%d effects, want 400", l.effects())
	}
	if streams.Load() < 6 {
		t.Errorf("%d streams, want the script's six", streams.Load())
	}
}

func TestCommanderTellsRejectionsApart(t *testing.T) {
	var tries atomic.Int64
	f := &fake{stream: func(_ context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
		for {
			b, err := s.Receive()
			if err != nil {
				return nil
			}
			acks := &controlv1.AckBatch{}
			for _, c := range b.GetCommands() {
				ack := &controlv1.Ack{Id: c.GetId(), Receipt: &controlv1.Receipt{Position: 1}}
				switch node := c.GetCordonPeer().GetNodeId(); {
				case node == "refused":
					ack = &controlv1.Ack{Id: c.GetId(), Code: uint32(connect.CodeFailedPrecondition), Reason: "node_cordoned", Message: "no"}
				case node == "later" && tries.Add(1) < 3:
					ack = &controlv1.Ack{Id: c.GetId(), Code: uint32(connect.CodeUnavailable), Reason: "no_leader", Message: "no leader"}
				}
				acks.Acks = append(acks.Acks, ack)
			}
			if err := s.Send(acks); err != nil {
				return err
			}
		}
	}}
	m := dial(t, nil, serve(t, f.handler()).URL).NewCommander()
	runner(t, m.Run)
	var e *client.Error
	if _, err := m.Submit(bounded(t), command("refused")); !errors.As(err, &e) || e.Reason != "node_cordoned" || e.OutcomeUnknown {
		t.Errorf("refused: %v", err)
	}
	if _, err := m.Submit(bounded(t), command("later")); err != nil || tries.Load() != 3 {
		t.Errorf("later: %v after %d tries", err, tries.Load())
	}
	if _, err := m.Submit(bounded(t), &controlv1.Command{}); !errors.As(err, &e) || e.Code != connect.CodeInvalidArgument {
		t.Errorf("empty: %v", err)
	}
}

// Callers that leave give their slot back, and a server that answers nothing
// is left for another.
func TestCommanderLeavesAServerThatAnswersNothing(t *testing.T) {
	var l ledger
	silent := &fake{stream: func(ctx context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
		for {
			if _, err := s.Receive(); err != nil {
				return nil
			}
		}
	}}
	answers := &fake{stream: func(_ context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
		for {
			b, err := s.Receive()
			if err != nil {
				return nil
			}
			acks, _ := l.batch(b)
			if err := s.Send(acks); err != nil {
				return err
			}
		}
	}}
	short := func(cfg *client.Config) { cfg.AttemptTimeout = 40 * time.Millisecond }

	m := dial(t, func(cfg *client.Config) { cfg.AttemptTimeout = time.Minute }, serve(t, silent.handler()).URL).NewCommander()
	runner(t, m.Run)
	for range 5 { // more than there are slots
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		_, err := m.Submit(ctx, command("n"))
		cancel()
		var e *client.Error
		if !errors.As(err, &e) || !e.OutcomeUnknown || e.IdempotencyKey == "" {
			t.Fatalf("got %v, want an unknown outcome with its key", err)
		}
	}

	m = dial(t, short, serve(t, silent.handler()).URL, serve(t, answers.handler()).URL).NewCommander()
	runner(t, m.Run)
	submitAll(t, m, 10)
}

func TestCommanderFallsBackToBatches(t *testing.T) {
	var l ledger
	var batches atomic.Int64
	f := &fake{
		batch: func(b *controlv1.CommandBatch) (*controlv1.AckBatch, error) {
			if batches.Add(1) == 1 {
				return nil, refusal(connect.CodeUnavailable, "not yet", &controlv1.ErrorDetail{})
			}
			return l.batch(b)
		},
		stream: func(context.Context, *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
			return connect.NewError(connect.CodeUnimplemented, errorText("no streams here"))
		},
	}
	plain := httptest.NewServer(f.handler()) // HTTP/1.1 alone
	t.Cleanup(plain.Close)
	tests := map[string]*client.Client{
		"HTTP/1.1":          dial(t, func(cfg *client.Config) { cfg.Protocol = client.ProtocolHTTP1 }, plain.URL),
		"streams refused":   dial(t, nil, serve(t, f.handler()).URL),
		"TLS without HTTP2": dialTLS(t, f),
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			before := l.effects()
			m := c.NewCommander()
			stop := runner(t, m.Run)
			submitAll(t, m, 100)
			stop()
			if got := l.effects() - before; got != 100 {
				t.Errorf("%d effects, want 100", got)
			}
		})
	}
}

func dialTLS(t *testing.T, f *fake) *client.Client {
	s := httptest.NewTLSServer(f.handler()) // negotiates HTTP/1.1 alone
	t.Cleanup(s.Close)
	return dial(t, func(cfg *client.Config) { cfg.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig }, s.URL)
}

func TestCommanderStops(t *testing.T) {
	f := &fake{stream: func(_ context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
		for {
			if _, err := s.Receive(); err != nil {
				return nil
			}
		}
	}}
	m := dial(t, nil, serve(t, f.handler()).URL).NewCommander()
	stop := runner(t, m.Run)
	result := make(chan error, 1)
	go func() {
		_, err := m.Submit(bounded(t), command("n"))
		result <- err
	}()
	stop()
	var e *client.Error
	if err := <-result; !errors.As(err, &e) || e.Code != connect.CodeCanceled {
		t.Errorf("waiting: %v", err)
	}
	if _, err := m.Submit(bounded(t), command("n")); !errors.As(err, &e) || e.Code != connect.CodeCanceled || e.OutcomeUnknown {
		t.Errorf("after: %v", err)
	}
	if err := m.Run(bounded(t)); err == nil {
		t.Error("a second Run was accepted")
	}
}

// One call for many commands: one effect each, although the first attempt's
// answer is lost.
func TestSubmitBatch(t *testing.T) {
	var l ledger
	var calls atomic.Int64
	f := &fake{batch: func(b *controlv1.CommandBatch) (*controlv1.AckBatch, error) {
		acks, err := l.batch(b)
		if calls.Add(1) == 1 {
			return nil, refusal(connect.CodeUnavailable, "lost", &controlv1.ErrorDetail{})
		}
		acks.Acks[1] = &controlv1.Ack{Id: 1, Code: uint32(connect.CodeFailedPrecondition), Detail: &controlv1.ErrorDetail{Reason: "node_cordoned", Position: 3}}
		return acks, err
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	acks, err := c.Commands.SubmitBatch(bounded(t), []*controlv1.Command{command("a"), command("b"), command("c")})
	if err != nil || len(acks) != 3 || l.effects() != 3 {
		t.Fatalf("%d acks, %v, %d effects", len(acks), err, l.effects())
	}
	var e *client.Error
	if err := client.AckError(acks[1]); !errors.As(err, &e) || e.Reason != "node_cordoned" || e.Position != 3 {
		t.Errorf("second: %v", err)
	}
	if err := client.AckError(acks[2]); err != nil {
		t.Errorf("third: %v", err)
	}
	if _, err := c.Commands.SubmitBatch(bounded(t), []*controlv1.Command{{}}); !errors.As(err, &e) || e.Code != connect.CodeInvalidArgument {
		t.Errorf("empty command: %v", err)
	}
}

func shardOf(ref *controlv1.ShardRef) *controlv1.ShardRecord {
	if ref.GetShardId() == "none" {
		return &controlv1.ShardRecord{}
	}
	return &controlv1.ShardRecord{Namespace: ref.GetNamespace(), ShardId: ref.GetShardId(), OwnerNodeId: "n-" + ref.GetShardId()}
}

func lookups(r *controlv1.BatchGetShardsRequest) (*controlv1.BatchGetShardsResponse, error) {
	res := &controlv1.BatchGetShardsResponse{Id: r.GetId(), Position: r.GetMinPosition()}
	for _, ref := range r.GetRefs() {
		res.Shards = append(res.Shards, shardOf(ref))
	}
	return res, nil
}

func TestLookuper(t *testing.T) {
	var streams atomic.Int64
	f := &fake{}
	f.shards.batchGet = lookups
	f.shards.lookup = func(s *connect.BidiStream[controlv1.BatchGetShardsRequest, controlv1.BatchGetShardsResponse]) error {
		n := streams.Add(1)
		for i := 0; ; i++ {
			r, err := s.Receive()
			if err != nil {
				return nil
			}
			if n == 1 && i == 1 {
				return refusal(connect.CodeUnavailable, "lost", &controlv1.ErrorDetail{})
			}
			res, _ := lookups(r)
			if err := s.Send(res); err != nil {
				return err
			}
		}
	}
	server := serve(t, f.handler())
	for name, change := range map[string]func(*client.Config){
		"stream":  nil,
		"mixed":   func(cfg *client.Config) { cfg.Protocol = client.ProtocolMixed },
		"batches": func(cfg *client.Config) { cfg.Protocol = client.ProtocolHTTP1 },
	} {
		t.Run(name, func(t *testing.T) {
			l := dial(t, change, server.URL).NewLookuper()
			runner(t, l.Run)
			ctx := bounded(t)
			var group sync.WaitGroup
			for i := range 300 {
				group.Go(func() {
					got, err := l.Lookup(ctx, "ns", fmt.Sprint(i), 0)
					if err != nil || got.GetOwnerNodeId() != fmt.Sprintf("n-%d", i) {
						t.Errorf("shard %d: %v, %v", i, got, err)
					}
				})
			}
			group.Wait()
			var e *client.Error
			if _, err := l.Lookup(ctx, "ns", "none", 0); !errors.As(err, &e) || e.Code != connect.CodeNotFound {
				t.Errorf("unknown shard: %v", err)
			}
		})
	}
}

func waitFor(t testing.TB, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(10 * time.Second); !condition(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatal("the condition did not come true within 10 s")
		}
	}
}

func BenchmarkCommander(b *testing.B) {
	var messages atomic.Int64
	f := &fake{stream: func(_ context.Context, s *connect.BidiStream[controlv1.CommandBatch, controlv1.AckBatch]) error {
		for {
			batch, err := s.Receive()
			if err != nil {
				return nil
			}
			messages.Add(1)
			acks := &controlv1.AckBatch{}
			for _, c := range batch.GetCommands() {
				acks.Acks = append(acks.Acks, &controlv1.Ack{Id: c.GetId(), Receipt: &controlv1.Receipt{Position: 1}})
			}
			if err := s.Send(acks); err != nil {
				return err
			}
		}
	}}
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			m := dial(b, nil, serve(b, f.handler()).URL).NewCommander()
			stop := runner(b, m.Run)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			messages.Store(0)
			var left atomic.Int64
			left.Store(int64(b.N))
			var group sync.WaitGroup
			b.ResetTimer()
			for range callers {
				group.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := m.Submit(ctx, command("n1")); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(messages.Load()), "commands/message")
			stop()
		})
	}
}
