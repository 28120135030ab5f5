package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness"
)

const (
	counterShards  = 16
	counterNodes   = 4
	counterClients = 8
)

// counterMesh is a server and processes of the sample that keeps counters.
type counterMesh struct {
	t         *testing.T
	server    *harness.Server
	program   string
	dir       string
	addresses map[string]string // of nodes
	nodes     map[string]*sample
}

func startCounters(t *testing.T, create ...string) *counterMesh {
	t.Helper()
	m := &counterMesh{
		t: t, server: harness.StartServer(t, "--session-ttl", ttl.String()), program: buildSample(t, "counter"),
		dir: t.TempDir(), addresses: map[string]string{}, nodes: map[string]*sample{},
	}
	m.server.MustCLI(t, append([]string{"mesh", "namespaces", "create", "counts", "--shards", strconv.Itoa(counterShards)}, create...)...)
	for i := range counterNodes {
		node := "n" + strconv.Itoa(i+1)
		m.addresses[node] = harness.FreeAddress(t)
		m.start(node)
	}
	for node := range m.nodes {
		m.nodes[node].says("serving", 1)
	}
	return m
}

func (m *counterMesh) start(node string) {
	m.t.Helper()
	m.nodes[node] = startSample(m.t, m.program, node, "--endpoint", m.server.URL(), "--node-id", node,
		"--data", filepath.Join(m.dir, node), "--state", filepath.Join(m.dir, "state"), "--listen", m.addresses[node])
}

// counterLoad is increments, each sent until it is answered, and how many were.
type counterLoad struct {
	t      *testing.T
	mesh   *counterMesh
	stop   context.CancelFunc
	ended  sync.WaitGroup
	client *http.Client

	mu       sync.Mutex
	answered map[string]int64 // increments by key
	refused  map[string]int   // attempts that were not answered, by why
	total    int
}

func (m *counterMesh) startLoad() *counterLoad {
	ctx, stop := context.WithCancel(context.Background())
	l := &counterLoad{t: m.t, mesh: m, stop: stop, answered: map[string]int64{}, refused: map[string]int{},
		client: &http.Client{Timeout: 10 * time.Second}}
	for i := range counterClients {
		l.ended.Go(func() { l.work(ctx, i) })
	}
	m.t.Cleanup(l.finish)
	return l
}

// work sends one increment after the other; only a whole one counts.
func (l *counterLoad) work(ctx context.Context, client int) {
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("key-%d-%d", client, n%20)
		id := fmt.Sprintf("%d-%d", client, n)
		if !l.send(key, id) {
			return
		}
	}
}

// send sends an increment to one process after the other, until it is answered.
func (l *counterLoad) send(key, id string) bool {
	deadline := time.Now().Add(settle)
	for time.Now().Before(deadline) {
		address := l.mesh.addresses["n"+strconv.Itoa(rand.IntN(counterNodes)+1)]
		_, err := l.call(http.MethodPost, address, "/add?"+url.Values{"key": {key}, "id": {id}}.Encode())
		l.mu.Lock()
		if err == nil {
			l.answered[key]++
			l.total++
			l.mu.Unlock()
			return true
		}
		l.refused[reason(err)]++
		l.mu.Unlock()
	}
	l.t.Errorf("increment %s of %s was not answered within %s", id, key, settle)
	return false
}

func reason(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return "cut"
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}

func (l *counterLoad) call(method, address, path string) (int64, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+address+path, nil)
	if err != nil {
		return 0, err
	}
	res, err := l.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d: %s", res.StatusCode, strings.TrimSpace(string(text)))
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// awaitMore waits until so many more increments were answered.
func (l *counterLoad) awaitMore(n int) {
	l.t.Helper()
	l.mu.Lock()
	want := l.total + n
	l.mu.Unlock()
	harness.Eventually(l.t, settle, "increments are answered", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.total < want {
			return fmt.Errorf("%d, want %d; attempts that were not: %v", l.total, want, l.refused)
		}
		return nil
	})
}

// finish ends the load; each increment that was begun is answered first.
func (l *counterLoad) finish() {
	l.stop()
	l.ended.Wait()
}

// verify compares every counter with what was answered: none lost, none doubled.
func (l *counterLoad) verify() {
	l.t.Helper()
	l.finish()
	for key, want := range l.answered {
		var got int64
		harness.Eventually(l.t, settle, "the counter "+key+" is read", func() (err error) {
			address := l.mesh.addresses["n"+strconv.Itoa(rand.IntN(counterNodes)+1)]
			got, err = l.call(http.MethodGet, address, "/get?"+url.Values{"key": {key}}.Encode())
			return err
		})
		if got != want {
			l.t.Errorf("%s is %d, %d increments were answered", key, got, want)
		}
	}
	l.t.Logf("%d increments of %d counters; attempts that were not answered: %v", l.total, len(l.answered), l.refused)
}

// TestSampleCounter: increments go on while the processes that keep the counters are
// killed, paused, drained and replaced; none is lost and none counts twice, however
// the shards are owned (S1, L3).
func TestSampleCounter(t *testing.T) {
	t.Parallel()
	for _, mode := range [][]string{
		{"lease"}, {"lease", "--ownership-ttl", (3 * ttl).String()}, {"fenced"}, {"sticky"},
	} {
		t.Run(strings.Join(mode, " "), func(t *testing.T) {
			t.Parallel()
			m := startCounters(t, append([]string{"--ownership"}, mode...)...)
			load := m.startLoad()
			load.awaitMore(200)
			rounds := 1
			if harness.Full() {
				rounds = 10
			}
			for range rounds {
				m.trouble(load)
			}
			load.verify()
		})
	}
}

// trouble is one of everything that happens to processes.
func (m *counterMesh) trouble(load *counterLoad) {
	m.t.Helper()
	// Killed, and started again on its directory: the lock and the secret let it in at
	// once, in every mode.
	m.nodes["n1"].kill()
	m.start("n1")
	load.awaitMore(200)

	// Asleep for longer than anybody's lease. What is sticky waits for it.
	m.nodes["n2"].signal(syscall.SIGSTOP)
	m.silent("n2")
	m.nodes["n2"].signal(syscall.SIGCONT)
	load.awaitMore(200)

	// Drained, replaced by a new process, and in again.
	m.server.MustCLI(m.t, "mesh", "peers", "drain", "n3", "--wait", "--yes", "--timeout", settle.String())
	m.nodes["n3"].signal(syscall.SIGTERM)
	<-m.nodes["n3"].done
	m.start("n3")
	m.nodes["n3"].says("serving", 1)
	m.server.MustCLI(m.t, "mesh", "peers", "uncordon", "n3", "--yes")
	load.awaitMore(200)

	// It leaves without being drained.
	m.nodes["n4"].signal(syscall.SIGTERM)
	<-m.nodes["n4"].done
	load.awaitMore(100)
	m.start("n4")
	load.awaitMore(200)
}

// silent waits until the servers have given a node's session up.
func (m *counterMesh) silent(node string) {
	m.t.Helper()
	harness.Eventually(m.t, settle, node+" is given up", func() error {
		var peer struct{ Status string }
		if m.server.JSON(m.t, &peer, "mesh", "peers", "get", node); peer.Status != "failed" {
			return fmt.Errorf("it is %s", peer.Status)
		}
		return nil
	})
}
