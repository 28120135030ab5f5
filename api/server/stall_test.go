package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// A reader that takes nothing holds its handler for no longer than WriteWait,
// whatever the protocol; one that has nothing to take stays.
func TestStalledReaderIsLeft(t *testing.T) {
	m := newMesh(t)
	m.server.writeWait = 200 * time.Millisecond
	m.namespace("large", 60_000) // more than the buffers of a connection hold
	m.namespace("small", 1)
	quiet := m.events(m.h2, "/control/events/shards?namespace=small")
	quietly := m.events(m.h1, "/control/events/shards?namespace=small")
	for range 2 { // the row and the bookmark
		quiet.next()
		quietly.next()
	}
	watch, err := m.connect(m.h2).shards.Watch(t.Context(), request(&controlv1.ShardWatchRequest{Namespace: "small"}))
	if err != nil || !watch.Receive() {
		t.Fatalf("watch: %v, %v", err, watch.Err())
	}
	others := len(m.server.watchers)
	message := `{"namespace":"large"}`
	body := string([]byte{0, 0, 0, 0, byte(len(message))}) + message
	for name, stalls := range map[string]func(context.Context){
		"connect h1": func(ctx context.Context) { m.silent(ctx, "POST", controlv1.ShardControlServiceWatchProcedure, body) },
		"sse h1":     func(ctx context.Context) { m.silent(ctx, "GET", "/control/events/shards?namespace=large", "") },
		"connect h2": func(ctx context.Context) { m.unread(ctx, "POST", controlv1.ShardControlServiceWatchProcedure, body) },
		"sse h2":     func(ctx context.Context) { m.unread(ctx, "GET", "/control/events/shards?namespace=large", "") },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		stalls(ctx)
		m.until(name+" is a stream", func() bool { return len(m.server.watchers) > others })
		m.until(name+" is left", func() bool { return len(m.server.watchers) == others })
		cancel()
	}
	m.do(pause("small", 0))
	for name, s := range map[string]*sse{"h1": quietly, "h2": quiet} {
		if got := line(s.change()); !strings.Contains(got, "small/0 paused") {
			t.Errorf("SSE over %s, quiet for long: %s", name, got)
		}
	}
	if !watch.Receive() || watch.Msg().Current.Status != controlv1.ShardStatus_SHARD_STATUS_PAUSED {
		t.Errorf("a quiet watch: %v, %v", watch.Msg(), watch.Err())
	}
	if err := watch.Close(); err != nil {
		t.Error(err)
	}
}

// silent sends a request over HTTP/1.1 and reads nothing.
func (m *mesh) silent(ctx context.Context, method, path, body string) {
	m.t.Helper()
	address := strings.TrimPrefix(m.url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		m.t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		m.t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/connect+json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, address, len(body), body)
	if err != nil {
		m.t.Fatal(err)
	}
}

// unread sends a request over HTTP/2 and does not read the body of its answer.
func (m *mesh) unread(ctx context.Context, method, path, body string) {
	m.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, m.url+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/connect+json")
	res, err := m.h2.Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = res.Body.Close() })
}

// flushes is a response that counts its flushes, and what was written.
type flushes struct {
	*httptest.ResponseRecorder
	mu    sync.Mutex
	n     int
	lines strings.Builder
}

func (f *flushes) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lines.Write(p)
}

func (f *flushes) Flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
}

func (f *flushes) seen(text string) (n int, is bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n, strings.Contains(f.lines.String(), text)
}

// What is ready together goes out together, over Connect and as SSE.
func TestStreamsGather(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 1)
	from := m.head()
	for range 40 {
		m.do(pause("demo", 0))
		m.do(resume("demo", 0))
	}
	last := m.head().String()
	message := `{"after":"` + from.String() + `"}`
	for name, req := range map[string]*http.Request{
		"tail": httptest.NewRequest("POST", controlv1.LogServiceTailProcedure,
			strings.NewReader(string([]byte{0, 0, 0, 0, byte(len(message))})+message)),
		"log events":   httptest.NewRequest("GET", "/control/events/log?resumeToken="+from.String(), nil),
		"shard events": httptest.NewRequest("GET", "/control/events/shards?resumeToken="+from.String(), nil),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		req.Header.Set("Content-Type", "application/connect+json")
		w := &flushes{ResponseRecorder: httptest.NewRecorder()}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			m.server.ServeHTTP(w, req.WithContext(ctx))
		}()
		var n int
		m.until(name+" comes to "+last, func() (is bool) {
			var bookmarked bool
			n, is = w.seen(`"position":"` + last + `"`)
			_, bookmarked = w.seen("id: " + last + "\n")
			return is || bookmarked
		})
		cancel()
		<-ended
		if n > 5 {
			t.Errorf("%s: %d flushes for 80 events that were ready", name, n)
		}
	}
}
