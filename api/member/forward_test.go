package member_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// router is a node with a forwarder before a handler that says who served what.
type router struct {
	*node
	f      *member.Forwarder
	server *httptest.Server
}

// newRouter joins n1 to a mesh of one namespace with one shard.
func newRouter(t *testing.T, m *mesh, change func(*member.ForwardConfig)) *router {
	t.Helper()
	m.do(func() { m.change(shard(0), func(*controlv1.ShardRecord) {}) })
	x := &router{node: join(t, config(t.TempDir(), m.host(t).url()), false)}
	x.ready()
	cfg := member.ForwardConfig{
		Namespace: "demo",
		Key: func(r *http.Request) (string, error) {
			if r.URL.Path == "/" {
				return "", fmt.Errorf("is missing")
			}
			return r.URL.Path, nil
		},
		Serve: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o, _ := member.OwnershipOf(r.Context())
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "n1 %d %s", o.Fence, body)
		}),
		Hold: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	if cfg.Transport == nil {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		cfg.Transport = transport
	}
	var err error
	if x.f, err = x.Forward(cfg); err != nil {
		t.Fatal(err)
	}
	x.server = httptest.NewServer(x.f)
	t.Cleanup(x.server.Close)
	return x
}

// answer is what a caller got.
type answer struct {
	status  int
	body    string
	refused string
}

func (x *router) ask(method, path, body string, header ...string) answer {
	req, err := http.NewRequest(method, x.server.URL+path, strings.NewReader(body))
	if err != nil {
		x.t.Error(err)
		return answer{}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := x.server.Client().Do(req)
	if err != nil {
		x.t.Error(err)
		return answer{}
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Error(err)
	}
	return answer{res.StatusCode, string(got), res.Header.Get(member.HeaderRefused)}
}

// later asks in the background.
func (x *router) later(method, path, body string, header ...string) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- x.ask(method, path, body, header...) }()
	return c
}

func (x *router) holds(n int64) {
	x.t.Helper()
	eventually(x.t, func() bool { return x.f.Stats().Held == n }, "%d requests are held", n)
}

// sees waits until n1 knows that another owns the shard, in its table and by what
// it owns itself.
func (x *router) sees(owner string) {
	x.t.Helper()
	eventually(x.t, func() bool {
		o, _ := x.RouteShard("demo", 0)
		_, mine := x.Owned("demo", 0)
		return o.NodeID == owner && mine == (owner == "n1")
	}, "n1 takes %s for the owner", owner)
}

// eventually waits for a condition.
func eventually(t testing.TB, cond func() bool, what string, args ...any) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for limit := time.After(20 * time.Second); !cond(); {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("waited in vain until "+what, args...)
		}
	}
}

// peer is another node: it answers what it is told, and counts.
func peer(t *testing.T, m *mesh, id string, h http.HandlerFunc) *atomic.Int64 {
	t.Helper()
	n := &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	m.do(func() { m.addrs[id] = strings.TrimPrefix(s.URL, "http://") })
	return n
}

func echo(id string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s hops %s position %s", id, r.URL.RequestURI(), body,
			r.Header.Get(member.HeaderForwardHops), r.Header.Get(member.HeaderForwardPosition))
	}
}

// TestForward: owned here, owned elsewhere, and nobody's until it is here again.
func TestForward(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	x := newRouter(t, m, nil)
	peer(t, m, "n2", echo("n2"))
	held := x.later("POST", "/k", "body") // nobody owns it yet
	x.holds(1)
	mine := m.assign(shard(0), "n1")
	if got := <-held; got != (answer{200, fmt.Sprintf("n1 %d body", mine), ""}) {
		t.Errorf("owned here: %+v", got)
	}
	theirs := m.assign(shard(0), "n2")
	x.sees("n2")
	want := answer{200, fmt.Sprintf("n2 /k?a=1&b=%%20 body hops 1 position %d", theirs), ""}
	if got := x.ask("POST", "/k?a=1&b=%20", "body"); got != want {
		t.Errorf("owned elsewhere: %+v, want %+v", got, want)
	}
	if s := x.f.Stats(); s.Served != 1 || s.Forwarded != 1 || s.Held != 0 || s.Refused+s.Failed != 0 {
		t.Errorf("stats %+v", s)
	}
	if got := x.ask("POST", "/", ""); got.status != 400 || got.refused == "" {
		t.Errorf("without a key: %+v", got)
	}
	for _, bad := range []string{"-1", "x"} {
		if got := x.ask("POST", "/k", "", member.HeaderForwardHops, bad); got.status != 400 {
			t.Errorf("%q hops: %+v", bad, got)
		}
	}
}

// TestForwardWaitsForTheSenders: a sender knew of an assignment that this node has
// not heard of yet.
func TestForwardWaitsForTheSendersTable(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	x := newRouter(t, m, nil)
	old := peer(t, m, "n2", echo("n2"))
	fence := m.assign(shard(0), "n2")
	if got := x.ask("POST", "/k", ""); got.status != 200 { // the table is there
		t.Fatalf("%+v", got)
	}
	held := x.later("POST", "/k", "", member.HeaderForwardHops, "1", member.HeaderForwardPosition, fmt.Sprint(fence+1))
	x.holds(1)
	if next := m.assign(shard(0), "n1"); next != fence+1 {
		t.Fatalf("assigned at %d", next)
	}
	if got := <-held; got.status != 200 || !strings.HasPrefix(got.body, "n1") || old.Load() != 1 {
		t.Errorf("%+v; n2 was asked %d times", got, old.Load())
	}
}

// TestForwardAgain: who refuses did nothing, and is asked again, or who comes next,
// with the whole body; who is not there too; who answers anything else is not.
func TestForwardAgain(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	x := newRouter(t, m, nil)
	refusals := atomic.Int64{}
	n := peer(t, m, "n2", func(w http.ResponseWriter, r *http.Request) {
		if refusals.Add(1) < 4 {
			w.Header().Set(member.HeaderRefused, "stopped")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		echo("n2")(w, r)
	})
	m.assign(shard(0), "n2")
	if got := x.ask("POST", "/k", "the body"); got.status != 200 || !strings.Contains(got.body, "the body") || n.Load() != 4 {
		t.Errorf("after %d refusals: %+v", n.Load(), got)
	}
	// Nobody listens there; then the shard comes here.
	m.do(func() { m.addrs["n3"] = "127.0.0.1:1" })
	m.assign(shard(0), "n3")
	x.sees("n3")
	held := x.later("POST", "/k", "the body")
	x.holds(1)
	m.assign(shard(0), "n1")
	if got := <-held; got.status != 200 || !strings.HasSuffix(got.body, "the body") {
		t.Errorf("after a node that is not there: %+v", got)
	}
	// An answer of 503 that is the service's own is the answer.
	own := peer(t, m, "n4", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	m.assign(shard(0), "n4")
	x.sees("n4")
	if got := x.ask("POST", "/k", ""); got.status != 503 || own.Load() != 1 {
		t.Errorf("an answer of the service: %+v, asked %d times", got, own.Load())
	}
}

// TestForwardUnknown: a write whose answer was lost is not sent again; a read is.
func TestForwardUnknown(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	x := newRouter(t, m, nil)
	cuts := atomic.Int64{}
	n := peer(t, m, "n2", func(w http.ResponseWriter, r *http.Request) {
		if cuts.Add(1)%2 == 1 {
			panic(http.ErrAbortHandler)
		}
		echo("n2")(w, r)
	})
	m.assign(shard(0), "n2")
	if got := x.ask("POST", "/k", "one"); got.status != 502 || got.refused != "" || n.Load() != 1 {
		t.Errorf("a write: %+v, sent %d times", got, n.Load())
	}
	cuts.Store(0)
	if got := x.ask("GET", "/k", ""); got.status != 200 {
		t.Errorf("a read: %+v", got)
	}
	if s := x.f.Stats(); s.Failed != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestForwardBounds: hops, time, and how many are held.
func TestForwardBounds(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	x := newRouter(t, m, func(c *member.ForwardConfig) { c.Hold, c.MaxHeld, c.MaxHops = 3*time.Second, 1, 2 })
	n := peer(t, m, "n2", echo("n2"))
	first := x.later("POST", "/k", "")
	x.holds(1)
	if got := x.ask("POST", "/k", ""); got.status != 503 || got.refused != "too_many_held" {
		t.Errorf("one too many: %+v", got)
	}
	if got := <-first; got.status != 503 || got.refused != "handoff_timeout" {
		t.Errorf("held for too long: %+v", got)
	}
	m.assign(shard(0), "n2")
	if got := x.ask("POST", "/k", ""); got.status != 200 {
		t.Errorf("%+v", got)
	}
	if got := x.ask("POST", "/k", "", member.HeaderForwardHops, "2"); got.status != 508 || got.refused != "forward_loop" || n.Load() != 1 {
		t.Errorf("a loop: %+v", got)
	}
	for _, bad := range []member.ForwardConfig{
		{}, {Namespace: "demo"}, {Namespace: "demo", Serve: x.f, Key: func(*http.Request) (string, error) { return "", nil }, MaxHeld: -1},
	} {
		if _, err := x.Forward(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestForwardOverlap: while a shard is handed over its old owner answers reads, and
// holds writes, until the next owner shows; without overlap it holds both.
func TestForwardOverlap(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	x := newRouter(t, m, func(c *member.ForwardConfig) {
		c.Reads = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "as it was") })
	})
	peer(t, m, "n2", echo("n2"))
	fence := m.assign(shard(0), "n1")
	if got := x.ask("GET", "/k", ""); got.body != fmt.Sprintf("n1 %d ", fence) {
		t.Errorf("an owner's read: %+v", got)
	}
	overlap := func(on bool) {
		m.do(func() { m.change(shard(0), func(r *controlv1.ShardRecord) { r.Overlap, r.MoveToNodeId = on, "n2" }) })
	}
	overlap(true)
	m.awaitHeld(t, "n1", shard(0), fence, released)
	if got := x.ask("GET", "/k", ""); got != (answer{200, "as it was", ""}) {
		t.Errorf("a read in the overlap: %+v", got)
	}
	write := x.later("POST", "/k", "w")
	x.holds(1)
	theirs := m.assign(shard(0), "n2")
	if got := <-write; !strings.HasPrefix(got.body, "n2 /k w hops 1") {
		t.Errorf("a write in the overlap: %+v", got)
	}
	if got := x.ask("GET", "/k", ""); !strings.HasSuffix(got.body, fmt.Sprint(theirs)) {
		t.Errorf("a read after it: %+v", got)
	}
	again := m.assign(shard(0), "n1")
	m.awaitHeld(t, "n1", shard(0), again, owning)
	overlap(false)
	m.awaitHeld(t, "n1", shard(0), again, released)
	read := x.later("GET", "/k", "")
	x.holds(1)
	m.assign(shard(0), "n2")
	if got := <-read; !strings.HasPrefix(got.body, "n2") {
		t.Errorf("a read without overlap: %+v", got)
	}
}

// TestForwardInFlight: a request that is being served when the release is asked for
// is served to its end under the ownership.
func TestForwardInFlight(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	begun, proceed := make(chan member.Ownership, 1), make(chan struct{})
	x := newRouter(t, m, func(c *member.ForwardConfig) {
		c.Serve = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o, _ := member.OwnershipOf(r.Context())
			begun <- o
			<-proceed
			fmt.Fprint(w, o.Check(), r.Context().Err())
		})
	})
	m.assign(shard(0), "n1")
	flying := x.later("POST", "/k", "")
	o := <-begun
	m.drain(shard(0), "n2")
	next := x.later("POST", "/k", "")
	x.holds(1)
	if o.Context().Err() != nil {
		t.Error("the ownership ended under a request")
	}
	close(proceed)
	if got := <-flying; got.body != "<nil> <nil>" {
		t.Errorf("the request in flight: %+v", got)
	}
	m.awaitHeld(t, "n1", shard(0), o.Fence, released)
	peer(t, m, "n2", echo("n2"))
	m.assign(shard(0), "n2")
	if got := <-next; !strings.HasPrefix(got.body, "n2") {
		t.Errorf("the next request: %+v", got)
	}
}

// TestForwardStopped: a node that has left refuses, so that others look again.
func TestForwardStopped(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	x := newRouter(t, m, nil)
	held := x.later("POST", "/k", "")
	x.holds(1)
	x.cancel()
	if got := <-held; got.status != 503 || got.refused != "stopped" {
		t.Errorf("%+v", got)
	}
	_ = x.ended()
	if got := x.ask("POST", "/k", ""); got.status != 503 || got.refused != "stopped" {
		t.Errorf("%+v", got)
	}
}

// TestForwardBeforeRun: a request that comes before the member runs goes on when it
// does, without another to wake it.
func TestForwardBeforeRun(t *testing.T) {
	t.Parallel()
	m := newMesh(5 * time.Second)
	m.do(func() { m.change(shard(0), func(*controlv1.ShardRecord) {}) })
	peer(t, m, "n2", echo("n2"))
	m.assign(shard(0), "n2")
	n1, err := member.New(config(t.TempDir(), m.host(t).url()))
	if err != nil {
		t.Fatal(err)
	}
	f, err := n1.Forward(member.ForwardConfig{
		Namespace: "demo", Serve: http.NotFoundHandler(), Key: func(r *http.Request) (string, error) { return r.URL.Path, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	early := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest("POST", "/k", nil))
		early <- w.Code
	}()
	eventually(t, func() bool { return f.Stats().Held == 1 }, "the request is held")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n1.Run(ctx) }()
	if got := <-early; got != http.StatusOK {
		t.Errorf("status %d", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
