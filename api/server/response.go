package server

import (
	"context"
	"net/http"
	"time"
)

// response is the response of an RPC's handler.
type response struct {
	http.ResponseWriter
	// The fields below belong to the handler's goroutine.

	// heard: the call has come to the chain, which answers for what becomes of it.
	// An answer that is given before is Connect's own: its status and its beginning
	// are kept, for the record of the refusal.
	heard  bool
	status int
	said   []byte
	// gathering: a message is flushed when nothing more is ready, not one by one: a
	// flush costs more than all else that is done for a message, and a watcher that
	// is behind has many. dirty: there is something to flush.
	gathering, dirty bool
	// stall bounds the writes of a stream; nil for other calls.
	stall *stall
}

// maxSaid bounds what is kept of an answer.
const maxSaid = 4 << 10

type responseKey struct{}

// respond runs a handler with a response that it can find in its context.
func respond(h http.Handler, w http.ResponseWriter, r *http.Request) *response {
	x := &response{ResponseWriter: w}
	h.ServeHTTP(x, r.WithContext(context.WithValue(r.Context(), responseKey{}, x)))
	return x
}

// responseOf is the response of a call's context; nil for REST and SSE.
func responseOf(ctx context.Context) *response {
	x, _ := ctx.Value(responseKey{}).(*response)
	return x
}

// heard notes that a call has come to the chain.
func heard(ctx context.Context) {
	if x := responseOf(ctx); x != nil {
		x.heard = true
	}
}

// WriteHeader implements [http.ResponseWriter].
func (x *response) WriteHeader(status int) {
	x.status = status
	x.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (x *response) Write(p []byte) (int, error) {
	if !x.heard {
		x.said = append(x.said, p[:min(len(p), maxSaid-len(x.said))]...)
	}
	if x.stall != nil {
		x.stall.begin()
		defer x.stall.end()
	}
	return x.ResponseWriter.Write(p)
}

// Flush implements [http.Flusher].
func (x *response) Flush() {
	if x.gathering {
		x.dirty = true
		return
	}
	x.flush()
}

func (x *response) flush() {
	x.dirty = false
	if x.stall != nil {
		x.stall.begin()
		defer x.stall.end()
	}
	if f, ok := x.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for [http.ResponseController].
func (x *response) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// idle flushes what was gathered.
func (x *response) idle() {
	if x.dirty {
		x.flush()
	}
}

// gather implements gatherer.
func (x *response) gather(on bool) { x.gathering = on }

// gatherer is where the messages of a stream go: a response of its own, or the
// events of SSE. Its methods belong to the handler's goroutine.
type gatherer interface {
	gather(on bool)
	// idle sends what was gathered.
	idle()
}

// gather begins to gather the messages of this call's stream, and returns what
// sends them, and what ends the gathering.
func gather(ctx context.Context) (idle, end func()) {
	var g gatherer
	if x := responseOf(ctx); x != nil {
		g = x
	} else {
		g = ctx.Value(eventsKey{}).(gatherer) // a stream goes to one of the two
	}
	g.gather(true)
	return g.idle, func() {
		g.gather(false)
		g.idle()
	}
}

// bound bounds the writes of this call's stream; leave ends that.
func bound(ctx context.Context, wait time.Duration) (leave func()) {
	x := responseOf(ctx)
	if x == nil {
		return func() {} // of SSE, which does it itself
	}
	x.stall = newStall(x.ResponseWriter, wait)
	return x.stall.leave
}
