package server

import (
	"context"
	"net/http"
)

// gatherer is the response of a watch. A message is flushed when nothing more is
// ready, not one by one: a flush costs more than all else that is done for a
// message, and a watcher that is behind has many.
type gatherer struct {
	http.ResponseWriter
	// gathering and dirty belong to the handler's goroutine.
	gathering, dirty bool
}

// Flush implements http.Flusher.
func (g *gatherer) Flush() {
	if g.gathering {
		g.dirty = true
		return
	}
	g.flush()
}

func (g *gatherer) flush() {
	g.dirty = false
	if f, ok := g.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (g *gatherer) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// idle flushes what was gathered.
func (g *gatherer) idle() {
	if g.dirty {
		g.flush()
	}
}

type gathererKey struct{}

// gathers gives the handler of a stream a response that can gather.
func gathers(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := &gatherer{ResponseWriter: w}
		h.ServeHTTP(g, r.WithContext(context.WithValue(r.Context(), gathererKey{}, g)))
	})
}

// gather begins to gather the messages of this call's stream, and returns what
// sends them, and what ends the gathering. Both do nothing where the messages do
// not go to a response of their own.
func gather(ctx context.Context) (idle, end func()) {
	g, ok := ctx.Value(gathererKey{}).(*gatherer)
	if !ok {
		return func() {}, func() {}
	}
	g.gathering = true
	return g.idle, func() {
		g.gathering = false
		g.idle()
	}
}
