package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

// SSE is the third door: a stream's messages as events of text/event-stream. A
// client that is cut off comes back with the id of the last event it has, which
// is a position that the stream can be resumed after.

// eventRoutes are the streams.
func (s *Server) eventRoutes(rt *rest) {
	rt.add("GET events/shards", s.shardEvents)
	rt.add("GET events/peers", s.peerEvents)
	rt.add("GET events/leadership", s.leadershipEvents)
	rt.add("GET events/log", s.logEvents)
}

func (s *Server) shardEvents(x *exchange) {
	serveEvents(x, controlv1.ShardControlServiceWatchProcedure, s.watchShards, func(q *controlv1.ShardWatchRequest) error {
		q.Namespace, q.OwnerNodeId, q.Statuses, q.Search = x.q.shards()
		q.Bookmarks = true
		return x.resume(func(p int64) { q.ResumeToken = p })
	})
}

func (s *Server) peerEvents(x *exchange) {
	serveEvents(x, controlv1.PeerControlServiceWatchPeersProcedure, s.watchPeers, func(q *controlv1.WatchPeersRequest) error {
		q.Role, q.Bookmarks = x.q.text("role"), true
		return x.resume(func(p int64) { q.ResumeToken = p })
	})
}

func (s *Server) leadershipEvents(x *exchange) {
	serveEvents(x, controlv1.LeadershipControlServiceSubscribeProcedure, s.subscribeLeaders, func(q *controlv1.LeadershipSubscribeRequest) error {
		q.Scope, q.Bookmarks = x.q.text("scope"), true
		return x.resume(func(p int64) { q.ResumeToken = p })
	})
}

func (s *Server) logEvents(x *exchange) {
	serveEvents(x, controlv1.LogServiceTailProcedure, s.tail, func(q *controlv1.TailRequest) error {
		q.Context, q.Type, q.Id = x.q.text("context"), x.q.text("type"), x.q.text("id")
		q.Actor, q.CorrelationId = x.q.text("actor"), x.q.text("correlationId")
		return x.resume(func(p int64) { q.After = &p })
	})
}

// resume reads where to go on: the header of a browser that comes back, or the
// parameter. The header wins, for a browser repeats the parameter of its first
// request for ever.
func (x *exchange) resume(set func(int64)) error {
	at := x.q.position("resumeToken")
	if id := x.r.Header.Get("Last-Event-ID"); id != "" {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n <= 0 {
			return badField("Last-Event-ID", "the id of an event of this stream, a position", "is %.80q", id)
		}
		at = n
	}
	if at != 0 {
		set(at)
	}
	return nil
}

// serveEvents runs a stream as SSE.
func serveEvents[Q, R any, M message[Q], N message[R]](x *exchange, procedure string, fn streamFunc[Q, R], bind func(*Q) error) {
	s, q := x.s, new(Q)
	c := &call{method: s.methodOf(procedure), protocol: protocolSSE, encoding: encodingJSON, header: x.r.Header}
	c.bind = func() error {
		if err := bind(q); err != nil {
			return err
		}
		return x.q.done()
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	out := &eventWriter{w: x.w, control: http.NewResponseController(x.w), stall: newStall(x.w, s.writeWait)}
	defer out.stall.leave()
	ctx = context.WithValue(ctx, eventsKey{}, out)
	var beating sync.WaitGroup
	beating.Go(func() { out.keepAlive(ctx, cancel) })
	err := s.stream(ctx, c, M(q), func(ctx context.Context) error {
		s.writeHeaders(x.w.Header(), c)
		return fn(ctx, q, func(r *R, n note) error {
			if n.opened {
				return out.open(x.r.Method == http.MethodHead)
			}
			return out.event(N(r), n)
		})
	})
	cancel()
	beating.Wait()
	switch {
	case !out.opened:
		s.writeProblem(x.w, x.r, err)
	case err != nil && x.r.Context().Err() == nil && x.r.Method != http.MethodHead:
		f := problemOf(err)
		_, head := s.logName()
		out.end(appendProblem(nil, f, f.detail(head), x.r.URL.Path))
	}
}

// eventWriter writes events. Its lock is held while a slow client takes one:
// the stream waits then, within WriteWait, and the keep-alive with it.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stall   *stall

	mu     sync.Mutex
	opened bool
	buf    []byte
	wrote  time.Time
	// gathering: events are flushed when nothing more is ready; dirty: there is
	// something to flush.
	gathering, dirty bool
}

type eventsKey struct{}

// gather implements gatherer.
func (e *eventWriter) gather(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gathering = on
}

// idle implements gatherer. A flush that fails is seen by the next write.
func (e *eventWriter) idle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dirty {
		_ = e.write(nil, true)
	}
}

// errHeadersAlone ends a stream that was asked for its headers.
var errHeadersAlone = errors.New("headers alone")

// open sends the headers, after which errors are events.
func (e *eventWriter) open(alone bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // of proxies that would hold events back
	e.opened = true
	e.w.WriteHeader(http.StatusOK)
	if alone {
		return errHeadersAlone
	}
	return e.write(nil, true)
}

// event writes one message. Rows of a snapshot and rows inside a decision are
// followed by more at once, so only what ends one is flushed.
func (e *eventWriter) event(m proto.Message, n note) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.buf[:0]
	if n.bookmark {
		b = append(b, "event: bookmark\n"...)
	}
	if n.resume != 0 {
		b = append(strconv.AppendInt(append(b, "id: "...), n.resume, 10), '\n')
	}
	b = v1json.Append(append(b, "data: "...), m)
	b = append(b, "\n\n"...)
	e.buf = b
	if cap(b) > maxEventBuffer {
		e.buf = nil
	}
	if n.resume == 0 {
		return e.write(b, false)
	}
	e.dirty = true
	return e.write(b, !e.gathering)
}

// maxEventBuffer is the size of a buffer that is kept for the next event.
const maxEventBuffer = 64 << 10

// end says why the stream ends.
func (e *eventWriter) end(problem []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := append([]byte("event: end\ndata: "), problem...)
	_ = e.write(append(b, "\n\n"...), true) // who does not hear it has gone
}

// write is called with mu held.
func (e *eventWriter) write(b []byte, flush bool) error {
	e.wrote = time.Now()
	e.stall.begin()
	defer e.stall.end()
	if len(b) > 0 {
		if _, err := e.w.Write(b); err != nil {
			return err
		}
	}
	if !flush {
		return nil
	}
	e.dirty = false
	return e.control.Flush()
}

// keepAlive writes a comment line whenever nothing else was written for a while.
// A client that cannot take it ends the stream.
func (e *eventWriter) keepAlive(ctx context.Context, end context.CancelFunc) {
	tick := time.NewTicker(KeepAlive / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if e.comment() != nil {
				end()
				return
			}
		}
	}
}

func (e *eventWriter) comment() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.opened || time.Since(e.wrote) < KeepAlive {
		return nil
	}
	return e.write([]byte(": still here\n\n"), true)
}
