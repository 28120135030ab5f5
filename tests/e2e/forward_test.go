package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// ledger is what the owners of all shards write to. It sees two writers of a
// shard at once, and one that writes after a later one.
type ledger struct {
	mu      sync.Mutex
	counts  map[string]int
	writing map[uint32]int64 // the fence of the writer
	highest map[uint32]int64
	faults  []string
}

func newLedger() *ledger {
	return &ledger{counts: map[string]int{}, writing: map[uint32]int64{}, highest: map[uint32]int64{}}
}

// enter begins a write of an owner; writes of one owner may run side by side.
func (l *ledger) enter(o member.Ownership) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other := l.writing[o.Shard]; other != 0 && other != o.Fence {
		l.faults = append(l.faults, fmt.Sprintf("%s writes while fence %d does", o, other))
	}
	if o.Fence < l.highest[o.Shard] {
		l.faults = append(l.faults, fmt.Sprintf("%s writes after fence %d", o, l.highest[o.Shard]))
	}
	l.highest[o.Shard] = max(l.highest[o.Shard], o.Fence)
}

// hold is the owner's own view: from Own to Release.
func (l *ledger) hold(o member.Ownership, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch other := l.writing[o.Shard]; {
	case !on:
		delete(l.writing, o.Shard)
	case other != 0:
		l.faults = append(l.faults, fmt.Sprintf("%s owns while fence %d does", o, other))
	default:
		l.writing[o.Shard] = o.Fence
	}
}

func (l *ledger) add(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[key]++
	return l.counts[key]
}

func (l *ledger) read(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[key]
}

// counter is a node that counts: POST /<key> adds one, GET reads.
type counter struct {
	node   string
	m      *member.Member
	f      *member.Forwarder
	server *http.Server
	url    string
	stop   context.CancelFunc
	ended  chan error
	// prepared counts the preparations.
	prepared atomic.Int64
}

func startCounter(t *testing.T, urls []string, dir, node, role string, l *ledger) *counter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{node: node, url: "http://" + listener.Addr().String(), ended: make(chan error, 1)}
	cfg := member.DefaultConfig(node, filepath.Join(dir, node), urls...)
	cfg.Role, cfg.Labels = role, map[string]string{member.DefaultAddrLabel: listener.Addr().String()}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Prepare = func(context.Context, member.Preparation) error { c.prepared.Add(1); return nil }
	cfg.Own = func(ctx context.Context, o member.Ownership) error {
		l.hold(o, true)
		<-ctx.Done()
		return nil
	}
	cfg.Release = func(_ context.Context, o member.Ownership) error { l.hold(o, false); return nil }
	if c.m, err = member.New(cfg); err != nil {
		t.Fatal(err)
	}
	key := func(r *http.Request) (string, error) { return strings.TrimPrefix(r.URL.Path, "/"), nil }
	c.f, err = c.m.Forward(member.ForwardConfig{
		Namespace: "counters", Key: key,
		Serve: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { countRequest(w, r, l) }),
		Reads: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, l.read(r.URL.Path[1:])) }),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.server = &http.Server{Handler: c.f}
	go c.server.Serve(listener) //nolint:errcheck // it is closed
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	go func() { c.ended <- c.m.Run(ctx) }()
	t.Cleanup(func() { c.stop(); c.server.Close() })
	return c
}

// countRequest is what an owner does.
func countRequest(w http.ResponseWriter, r *http.Request, l *ledger) {
	key := r.URL.Path[1:]
	if r.Method == http.MethodGet {
		fmt.Fprint(w, l.read(key))
		return
	}
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "one" {
		http.Error(w, fmt.Sprintf("body %q, %v", body, err), http.StatusBadRequest)
		return
	}
	o, ok := member.OwnershipOf(r.Context())
	if err := o.Check(); !ok || err != nil {
		http.Error(w, fmt.Sprint(err), http.StatusInternalServerError)
		return
	}
	l.enter(o)
	fmt.Fprint(w, l.add(key))
}

// leave leaves the mesh as a planned stop does: the node goes on to answer, so that
// who still sends to it is told to look again, until nobody does.
func (c *counter) leave(t *testing.T) {
	t.Helper()
	c.stop()
	if err := <-c.ended; err != nil {
		t.Errorf("%s ended: %v", c.node, err)
	}
	refused, quiet := c.f.Stats().Refused, time.Now()
	harness.Eventually(t, settle, "nobody sends to "+c.node, func() error {
		if now := c.f.Stats().Refused; now != refused {
			refused, quiet = now, time.Now()
		}
		if time.Since(quiet) < time.Second {
			return errors.New("somebody did less than a second ago")
		}
		return nil
	})
	if err := c.server.Shutdown(t.Context()); err != nil {
		t.Errorf("%s: %v", c.node, err)
	}
}

// load sends requests to a gateway, one after the other by each caller, until ctx
// ends; every one is wanted to be answered.
type load struct {
	answered, reads atomic.Int64
	acked           sync.Map // key → *atomic.Int64
	slowest         atomic.Int64
	running         sync.WaitGroup
}

func (x *load) run(ctx context.Context, t *testing.T, url string, callers int) {
	http := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	for i := range callers {
		x.running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprintf("k%d-%d", i, n%50)
				began := time.Now()
				if err := x.one(http, url, key, n%4 == 3); err != nil {
					t.Errorf("request %d of caller %d, after %s: %v", n, i, time.Since(began), err)
					return
				}
				x.answered.Add(1)
				x.slowest.Store(max(x.slowest.Load(), int64(time.Since(began))))
			}
		})
	}
}

func (x *load) one(c *http.Client, url, key string, read bool) error {
	method, body := http.MethodPost, "one"
	if read {
		method, body = http.MethodGet, ""
	}
	req, err := http.NewRequest(method, url+"/"+key, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return errors.Join(err, fmt.Errorf("%s: %s", res.Status, got))
	}
	if read {
		x.reads.Add(1)
		return nil
	}
	of, _ := x.acked.LoadOrStore(key, &atomic.Int64{})
	want := of.(*atomic.Int64).Add(1)
	if n, err := strconv.ParseInt(string(got), 10, 64); err != nil || n != want {
		return fmt.Errorf("increment %d of %s is answered with %q", want, key, got)
	}
	return nil
}

// TestRollingDrainUnderLoad: every node of a service is emptied and replaced under
// load, by moves and by leaving. Each request is answered, each increment counts
// once, and no shard ever has two writers (S1, S2, S7).
func TestRollingDrainUnderLoad(t *testing.T) {
	t.Parallel()
	c := harness.StartNodes(t, 3, ttl)
	api, dir := c.Connect(), t.TempDir()
	if _, err := api.Namespaces.Create(t.Context(), &controlv1.CreateNamespaceRequest{Namespace: "counters", ShardCount: 24, Overlap: true}); err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	nodes := map[string]*counter{}
	for _, node := range []string{"n1", "n2", "n3"} {
		nodes[node] = startCounter(t, c.URLs(), dir, node, "worker", l)
	}
	gate := startCounter(t, c.URLs(), dir, "g1", "gateway", l)
	awaitBalanced(t, api, "counters", 24, "n1", "n2", "n3")

	x, ctx := &load{}, t.Context()
	ctx, end := context.WithCancel(ctx)
	x.run(ctx, t, gate.url, 8)
	for i, node := range []string{"n1", "n2", "n3"} {
		if i != 1 { // the second leaves with all that it has
			moveAll(t, c, node, []string{"n2", "n3", "n1"}[i])
		}
		nodes[node].leave(t)
		nodes[node] = startCounter(t, c.URLs(), dir, node, "worker", l)
		if _, err := nodes[node].m.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i != 1 {
			if _, err := api.Peers.Uncordon(t.Context(), &controlv1.UncordonPeerRequest{NodeId: node}); err != nil {
				t.Logf("uncordon %s: %v", node, err)
			}
		}
	}
	before := x.answered.Load()
	harness.Eventually(t, settle, "the load goes on", func() error {
		if n := x.answered.Load() - before; n < 200 && !t.Failed() {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
	end()
	x.running.Wait()

	total := 0
	x.acked.Range(func(key, n any) bool {
		total += l.read(key.(string))
		if got, want := l.read(key.(string)), int(n.(*atomic.Int64).Load()); got != want {
			t.Errorf("%s counts %d, %d were acknowledged", key, got, want)
		}
		return true
	})
	for _, fault := range l.faults {
		t.Error(fault)
	}
	prepared := int64(0)
	for _, n := range nodes {
		prepared += n.prepared.Load()
	}
	t.Logf("%d requests answered, %d increments, %d reads; the slowest took %s; gateway %+v; %d preparations",
		x.answered.Load(), total, x.reads.Load(), time.Duration(x.slowest.Load()), gate.f.Stats(), prepared)
	if total < 500 {
		t.Errorf("only %d increments: nothing is shown", total)
	}
}

// moveAll cordons a node and moves what it owns to another.
func moveAll(t *testing.T, c *harness.Nodes, from, to string) {
	t.Helper()
	api := c.Connect()
	if _, err := api.Peers.Cordon(t.Context(), &controlv1.CordonPeerRequest{NodeId: from}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, settle, from+" owns nothing", func() error {
		page, err := api.Shards.Collect(t.Context(), &controlv1.ShardListRequest{Namespace: "counters", OwnerNodeId: from})
		if err != nil || len(page.Items) == 0 {
			return err
		}
		q := &controlv1.MoveShardsRequest{Namespace: "counters", ToNodeId: to}
		for _, s := range page.Items {
			if s.GetMoveToNodeId() == "" { // else it goes already
				q.ShardIds = append(q.ShardIds, s.GetShardId())
			}
		}
		if len(q.ShardIds) > 0 {
			_, err = api.Shards.Move(t.Context(), q)
		}
		return errors.Join(err, fmt.Errorf("%s owns %d shards", from, len(page.Items)))
	})
}
