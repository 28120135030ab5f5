package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// errRead ends a follow at the end of a log.
var errRead = errors.New("read")

// appendNewer stores an event that this release does not know, as a newer one
// would, and returns its position.
func appendNewer(t *testing.T, data string) events.Position {
	t.Helper()
	log, err := natslog.Open(t.Context(), natslog.DefaultConfig(filepath.Join(data, "log"), "c1"))
	if err != nil {
		t.Fatal(err)
	}
	last, err := log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var head events.Head
	err = log.Follow(t.Context(), 1, func(m store.Message) (err error) {
		if _, head, err = head.Next(m.Data); err == nil && m.Sequence == last {
			err = errRead
		}
		return err
	})
	if !errors.Is(err, errRead) {
		t.Fatal(err)
	}
	unknown := &eventsv1.Event{}
	unknown.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 9000, protowire.BytesType), []byte("new")))
	frame, err := events.Marshal(&eventsv1.Frame{
		LogId: head.LogID[:], Era: head.Era, First: uint64(head.Position) + 1, PrevHash: head.Hash[:], Time: head.Time,
		Decisions: []*eventsv1.Decision{{Meta: &eventsv1.Meta{Actor: "node/s2"}, Events: []*eventsv1.Event{unknown}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Publish(t.Context(), last, frame); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return head.Position + 1
}

// TestServesLogOfNewerRelease: a log that a newer release has written to is read
// and not led, and that is said (T6).
func TestServesLogOfNewerRelease(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	data := filepath.Join(t.TempDir(), "data")
	start(t, data).mustStop(t)
	at := appendNewer(t, data)

	cfg := node.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.Insecure = data, freeAddress(t), true
	ctx, cancel := context.WithCancel(t.Context())
	s := &started{url: "http://" + cfg.HTTP, ended: make(chan error, 1), stop: cancel}
	lines := &logLines{}
	go func() {
		s.ended <- node.Run(ctx, cfg, node.Options{Version: "test", Logger: slog.New(slog.NewTextHandler(lines, nil))})
	}()
	want := "a newer release must lead: this one (test) does not know the event at position " + at.String()
	s.waitFor(t, "/control/status", func(body string) bool {
		var mesh struct {
			Ready      bool
			Position   events.Position
			WaitingFor []string
		}
		return json.Unmarshal([]byte(body), &mesh) == nil && !mesh.Ready && mesh.Position == at &&
			len(mesh.WaitingFor) == 1 && strings.HasPrefix(mesh.WaitingFor[0], want)
	})
	if status, body := get(t, s.url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, want) {
		t.Errorf("/readyz: %d %s", status, body)
	}
	for _, path := range []string{"/control/peers", "/control/log?from=" + at.String(), "/control/namespaces?asOf=1", "/healthz"} {
		if status, body := get(t, s.url+path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	res, err := http.Post(s.url+"/control/namespaces", "application/json", strings.NewReader(`{"namespace":"demo","shardCount":4}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), `"code":"no_leader"`) {
		t.Errorf("a command: %d %s, %v", res.StatusCode, body, err)
	}
	s.mustStop(t)
	if !strings.Contains(lines.String(), "this server cannot lead: it follows the log and serves reads") {
		t.Errorf("its log does not say why:\n%s", lines)
	}
}

// waitFor waits until a page has what is wanted.
func (s *started) waitFor(t *testing.T, path string, wanted func(body string) bool) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for body := ""; ; {
		if res, err := http.Get(s.url + path); err == nil {
			data, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if body = string(data); wanted(body) {
				return
			}
		}
		select {
		case <-tick.C:
		case err := <-s.ended:
			t.Fatalf("the server ended: %v", err)
		case <-deadline:
			t.Fatalf("%s still says: %s", path, body)
		}
	}
}

// freeAddress is a loopback address that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// logLines keeps what a server logs.
type logLines struct {
	mu  sync.Mutex
	buf strings.Builder // guarded by mu
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
