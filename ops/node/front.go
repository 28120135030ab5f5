package node

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	api "github.com/omnirelay/omnirelay/api/server"
)

// front answers on the listener from the first moment on. A server that waits for
// others may do so for long, and whoever asks is told what for.
type front struct {
	waiting func() string
	api     atomic.Pointer[api.Server] // nil before there is one
}

// startFront serves the listener.
func (s *server) startFront(l net.Listener) error {
	s.front = &front{waiting: s.starting}
	srv := api.HTTPServer(s.front)
	srv.ErrorLog = slog.NewLogLogger(s.log.With("component", "http").Handler(), slog.LevelWarn)
	s.parts.runs("api", 2*time.Second, func(ctx context.Context) error { return serve(ctx, srv, s.front.endStreams, l) })
	return nil
}

// open lets the API answer from now on.
func (f *front) open(handler *api.Server) { f.api.Store(handler) }

func (f *front) endStreams() {
	if handler := f.api.Load(); handler != nil {
		handler.Stop()
	}
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := f.api.Load(); handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	if r.URL.Path == "/healthz" {
		w.WriteHeader(http.StatusOK)
		return
	}
	api.NotStarted(w, r, f.waiting())
}

// starting says what a start waits for.
func (s *server) starting() string {
	if what := s.waits.Load(); what != nil && *what != "" {
		return "log: " + *what
	}
	var names []string
	for _, p := range s.parts.status() {
		names = append(names, p.Component)
	}
	return "started so far: " + strings.Join(names, ", ")
}
