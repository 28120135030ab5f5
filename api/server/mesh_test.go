package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/omnirelay/omnirelay/api/auth"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/audit"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/memlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mesh is a server over a log in memory, with a real sequencer and a real
// projector, and a listener on loopback.
type mesh struct {
	t         testing.TB
	url       string
	h1, h2    *http.Client
	sequencer *sequencer.Sequencer
	projector *projections.Projector
	log       *memlog.Log
	server    *Server
	registry  *prometheus.Registry
	beats     *beats
	opened    atomic.Uint64
}

// patience is how long a test waits for what takes milliseconds.
const patience = 20 * time.Second

// beats answers heartbeats of the sessions that the write model has.
type beats struct {
	view func() sequencer.View
	mu   sync.Mutex
	seen map[string]time.Time
}

func (b *beats) Heartbeat(_ context.Context, node string, session events.Position, secret events.Hash, _ []byte, _ []*controlv1.HeldShard, full bool) (time.Duration, bool, error) {
	n, _ := b.view().Model.Membership.Node(node)
	if n.Session != session || n.SecretHash != secret {
		return 0, false, commands.Refuse("session_not_found", "node %q has no session %d now", node, session)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[node] = time.Now()
	return n.TTL, !full, nil
}

func (b *beats) LastSeen(node string) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.seen[node]
	return at, ok
}

func (b *beats) Expires(node string) (time.Time, bool) {
	at, ok := b.LastSeen(node)
	return at.Add(5 * time.Second), ok
}

func introduce(m *model.Model) []commands.Request {
	if m.Position != 0 {
		return nil
	}
	return []commands.Request{
		{Actor: "node/s1", Command: control.StartEra{Cluster: "c1"}},
		{Actor: "node/s1", Command: policy.SetSession{TTL: 5 * time.Second}},
		{Actor: "node/s1", Command: membership.JoinServer{Node: membership.Descriptor{NodeID: "s1", ClusterID: "c1", Weight: 1, MeshVersion: "test"}}},
	}
}

// newMesh starts a server; change may alter what it is made of.
func newMesh(t testing.TB, change ...func(*Deps)) *mesh {
	t.Helper()
	return newMeshOn(t, func(log store.Log) store.Log { return log }, change...)
}

// newMeshOn is newMesh whose sequencer appends through a wrapped log.
func newMeshOn(t testing.TB, wrap func(store.Log) store.Log, change ...func(*Deps)) *mesh {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	m := &mesh{t: t, log: memlog.New(nil), registry: prometheus.NewRegistry()}
	m.sequencer = sequencer.New(sequencer.Options{
		Config: sequencer.Config{Server: "s1", Incarnation: t.Name(), Introduce: introduce, NewLogID: events.LogID{1, 2, 3}},
		Log:    wrap(m.log), Register: memlog.NewRegister(nil), Clock: sequencer.SystemClock, Logger: quiet,
	}, sequencer.View{Model: model.New()})
	tables := append(registry.Tables(), shardmap.Table{}, audit.Table{})
	cfg := projections.DefaultConfig("rows", tables...)
	cfg.FS, cfg.Logger, cfg.KV.Logger = vfs.NewMem(), quiet, quiet
	p, err := projections.Open(ctx, m.log, cfg)
	if err != nil {
		t.Fatalf("open projector: %v", err)
	}
	m.projector = p
	feeds, err := NewFeeds(p, m.log, m.registry)
	if err != nil {
		t.Fatalf("feeds: %v", err)
	}
	m.beats = &beats{view: m.sequencer.View, seen: map[string]time.Time{}}
	deps := Deps{
		Name: "s1", ClusterID: "c1", MeshVersion: "test", Submitter: m.sequencer, Views: p, Feeds: feeds, Log: m.log,
		Heartbeats: m.beats, Authenticator: auth.Insecure{User: "tester"}, Registerer: m.registry, Logger: quiet,
		Leading: func() bool { return m.sequencer.Status().Leading },
		Head:    func() events.Position { return m.sequencer.View().Mark.Position },
	}
	for _, c := range change {
		c(&deps)
	}
	if m.server, err = New(deps); err != nil {
		t.Fatalf("server: %v", err)
	}
	var running sync.WaitGroup
	running.Go(func() { _ = m.sequencer.Run(ctx) })
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Errorf("projector: %v", err)
		}
	})
	hangUp := m.listen()
	t.Cleanup(func() {
		m.server.Stop()
		m.h1.CloseIdleConnections()
		m.h2.CloseIdleConnections()
		hangUp()
		cancel()
		running.Wait()
		if err := p.Close(); err != nil {
			t.Errorf("close projector: %v", err)
		}
	})
	m.await(1)
	m.until("leading", func() bool { return m.sequencer.Status().Leading })
	m.await(m.head())
	return m
}

// listen serves HTTP/1.1 and h2c on one port. What it returns ends that, and
// waits for the handlers: each may hold a view of the tables.
func (m *mesh) listen() (hangUp func()) {
	hs := HTTPServer(m.server)
	var handlers sync.WaitGroup
	all := hs.Handler
	hs.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		all.ServeHTTP(w, r)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatalf("listen: %v", err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = hs.Serve(l) })
	m.url = "http://" + l.Addr().String()
	m.h1 = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	m.h2 = &http.Client{Transport: &http.Transport{Protocols: &p, DisableCompression: true}}
	return func() {
		_ = hs.Close()
		serving.Wait()
		handlers.Wait()
	}
}

func (m *mesh) head() events.Position { return m.sequencer.View().Mark.Position }

// await waits until reads show a position.
func (m *mesh) await(p events.Position) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.projector.WaitFor(ctx, p); err != nil {
		m.t.Fatalf("wait for position %d: %v", p, err)
	}
}

// until polls a condition.
func (m *mesh) until(what string, done func() bool) {
	m.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			m.t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// do submits a command and waits until reads show it.
func (m *mesh) do(cmd commands.Command) commands.Receipt {
	m.t.Helper()
	r, err := m.sequencer.Submit(context.Background(), commands.Request{Command: cmd, Actor: "user/test", Reason: "test"})
	if err != nil {
		m.t.Fatalf("%s: %v", cmd.CommandName(), err)
	}
	m.await(r.Position)
	return r
}

// secret of a node's session.
func secret(node string) []byte { return []byte("0123456789abcdef-" + node) }

// join opens the session of a worker and returns its id.
func (m *mesh) join(node string) events.Position {
	m.t.Helper()
	return m.do(membership.OpenSession{SecretHash: sha256.Sum256(secret(node)), Incarnation: m.opened.Add(1), Node: membership.Descriptor{
		NodeID: node, Role: "worker", ClusterID: "c1", Region: "r1", Weight: 1, MeshVersion: "test",
	}}).Position
}

// namespace makes a namespace.
func (m *mesh) namespace(name string, shards uint32) {
	m.t.Helper()
	m.do(shard.Create{Namespace: name, Spec: shard.Spec{
		ShardCount: shards, Strategy: "optimal", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE, EligibleRole: "worker",
	}})
}

// assign gives shards to a node.
func (m *mesh) assign(ns, node string, session events.Position, ids ...uint32) commands.Receipt {
	m.t.Helper()
	return m.do(shard.Assign{Namespace: ns, Targets: []shard.Target{{NodeID: node, Session: session, Shards: ids}}})
}

// reply is an HTTP answer whose body is read.
type reply struct {
	status int
	header http.Header
	body   string
	doc    map[string]any
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// items are the entries of a list.
func (r reply) items() []map[string]any {
	var out []map[string]any
	list, _ := r.doc["items"].([]any)
	for _, one := range list {
		out = append(out, one.(map[string]any))
	}
	return out
}

// rest makes a REST call; headers are name, value pairs.
func (m *mesh) rest(method, path, body string, headers ...string) reply {
	m.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, m.url+path, in)
	if err != nil {
		m.t.Fatalf("request: %v", err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := m.h1.Do(req)
	if err != nil {
		m.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatalf("%s %s: read: %v", method, path, err)
	}
	r := reply{status: res.StatusCode, header: res.Header, body: string(data)}
	if len(bytes.TrimSpace(data)) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(data, &r.doc); err != nil {
			m.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
	return r
}

// want makes a REST call that must have a status.
func (m *mesh) want(status int, method, path, body string, headers ...string) reply {
	m.t.Helper()
	r := m.rest(method, path, body, headers...)
	if r.status != status {
		m.t.Fatalf("%s %s: %s, want status %d", method, path, r, status)
	}
	return r
}

// sseEvent is one event of a stream.
type sseEvent struct {
	name, id string
	data     map[string]any
}

// sse is an open stream.
type sse struct {
	m      *mesh
	events chan sseEvent
	res    *http.Response
	cancel context.CancelFunc
}

// events opens a stream over a client.
func (m *mesh) events(client *http.Client, path string, headers ...string) *sse {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+path, nil)
	if err != nil {
		m.t.Fatalf("request: %v", err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		m.t.Fatalf("GET %s: %v", path, err)
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		m.t.Fatalf("GET %s: %d %s", path, res.StatusCode, body)
	}
	s := &sse{m: m, events: make(chan sseEvent, 1024), res: res, cancel: cancel}
	var reading sync.WaitGroup
	reading.Go(s.read)
	m.t.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
		reading.Wait()
	})
	return s
}

func (s *sse) read() {
	defer close(s.events)
	scanner := bufio.NewScanner(s.res.Body)
	scanner.Buffer(nil, 1<<20)
	var e sseEvent
	for scanner.Scan() {
		line := scanner.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "":
			if e.data != nil {
				s.events <- e
			}
			e = sseEvent{}
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			if json.Unmarshal([]byte(value), &e.data) != nil {
				return
			}
		}
	}
}

// next is the next event.
func (s *sse) next() sseEvent {
	s.m.t.Helper()
	select {
	case e, ok := <-s.events:
		if !ok {
			s.m.t.Fatal("the stream ended")
		}
		return e
	case <-time.After(patience):
		s.m.t.Fatalf("no event for %v", patience)
	}
	return sseEvent{}
}

// change is the next event that is no bookmark.
func (s *sse) change() sseEvent {
	s.m.t.Helper()
	for {
		if e := s.next(); e.name != "bookmark" {
			return e
		}
	}
}

// serve answers one request without a network.
func (m *mesh) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, r)
	return w
}
