package server

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
)

// message is a pointer to a generated message of type T.
type message[T any] interface {
	*T
	proto.Message
}

// unaryFunc answers one message with one, streamFunc one with many. They are
// what REST and SSE call as well.
type (
	unaryFunc[Q, R any]  func(context.Context, *Q) (*R, error)
	streamFunc[Q, R any] func(context.Context, *Q, sink[R]) error
)

// note is what a stream says of a message beside it.
type note struct {
	// opened: there is no message yet, but the stream will be one.
	// snapshot: a row as it is, not a change. bookmark: no row at all.
	opened, snapshot, bookmark bool
	// resume is the position after which the stream can be resumed, if it can be
	// right here: the message is the last of its decision, or a bookmark.
	resume int64
}

// sink takes the messages of a stream; its error ends it.
type sink[R any] func(*R, note) error

// methodOf returns a described RPC. One that is not described is a mistake in
// the table below it, found at every start.
func (s *Server) methodOf(procedure string) *method {
	m, ok := s.methods[procedure]
	if !ok {
		panic(fmt.Sprintf("server: %s is no RPC of %s", procedure, protoPackage))
	}
	return m
}

// handlerOptions are those of every RPC. Connect's JSON stays protojson as
// Connect reads it: a field that this release does not know is passed over, as in
// proto. Such calls are made by generated clients, one of which may be of a newer
// release, and what they mean must not hang on their encoding. REST is written by
// hand, where an unknown field is a mistake, and refuses it.
func handlerOptions(m *method) []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithSchema(m.desc),
		connect.WithReadMaxBytes(MaxBody),
		// Compressing small messages costs a quarter of the calls per second.
		connect.WithCompression("gzip", nil, nil),
	}
}

// handleUnary serves a unary RPC.
func handleUnary[Q, R any, M message[Q]](s *Server, procedure string, fn unaryFunc[Q, R]) {
	m := s.methodOf(procedure)
	s.mount(procedure, connect.NewUnaryHandler(procedure, func(ctx context.Context, req *connect.Request[Q]) (*connect.Response[R], error) {
		c := &call{method: m, protocol: req.Peer().Protocol, encoding: encodingOf(req.Header()), header: req.Header()}
		var answer *R
		err := s.unary(ctx, c, M(req.Msg), func(ctx context.Context) (err error) {
			answer, err = fn(ctx, req.Msg)
			return err
		})
		if err != nil {
			return nil, err
		}
		res := connect.NewResponse(answer)
		s.writeHeaders(res.Header(), c)
		return res, nil
	}, handlerOptions(m)...))
}

// handleServerStream serves an RPC that answers with a stream.
func handleServerStream[Q, R any, M message[Q]](s *Server, procedure string, fn streamFunc[Q, R]) {
	m := s.methodOf(procedure)
	s.mount(procedure, connect.NewServerStreamHandler(procedure, func(ctx context.Context, req *connect.Request[Q], out *connect.ServerStream[R]) error {
		c := &call{method: m, protocol: req.Peer().Protocol, encoding: encodingOf(req.Header()), header: req.Header()}
		return s.stream(ctx, c, M(req.Msg), func(ctx context.Context) error {
			s.writeHeaders(out.ResponseHeader(), c)
			// Without a message the headers alone go out: the caller knows that it
			// was heard.
			return fn(ctx, req.Msg, func(r *R, _ note) error { return out.Send(r) })
		})
	}, handlerOptions(m)...))
}

// pipe is a stream in both directions. A goroutine beside the handler receives,
// so that the handler can stop while its caller says nothing; it ends when the
// handler has returned, for the request's body is closed then.
type pipe[Q, R any] struct {
	s   *Server
	ctx context.Context
	raw *connect.BidiStream[Q, R]
	in  chan received[Q]
}

type received[Q any] struct {
	msg *Q
	err error
}

func newPipe[Q, R any](ctx context.Context, s *Server, raw *connect.BidiStream[Q, R]) pipe[Q, R] {
	p := pipe[Q, R]{s: s, ctx: ctx, raw: raw, in: make(chan received[Q])}
	go func() {
		for {
			msg, err := raw.Receive()
			select {
			case p.in <- received[Q]{msg, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return p
}

// receive returns the next message, validated, or io.EOF at the end.
func (p pipe[Q, R]) receive() (*Q, error) {
	select {
	case r := <-p.in:
		if r.err != nil {
			return nil, r.err
		}
		return r.msg, p.s.validate(any(r.msg).(proto.Message))
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

func (p pipe[Q, R]) send(msg *R) error { return p.raw.Send(msg) }

// handleBidi serves an RPC with streams in both directions.
func handleBidi[Q, R any](s *Server, procedure string, fn func(context.Context, pipe[Q, R]) error) {
	m := s.methodOf(procedure)
	s.mount(procedure, connect.NewBidiStreamHandler(procedure, func(ctx context.Context, raw *connect.BidiStream[Q, R]) error {
		c := &call{method: m, protocol: raw.Peer().Protocol, encoding: encodingOf(raw.RequestHeader()), header: raw.RequestHeader()}
		return s.stream(ctx, c, nil, func(ctx context.Context) error {
			s.writeHeaders(raw.ResponseHeader(), c)
			return fn(ctx, newPipe(ctx, s, raw))
		})
	}, handlerOptions(m)...))
}

// encodingOf tells proto from JSON by the content type; a GET has none and
// carries it in the query, and is answered as JSON is: row by row.
func encodingOf(h http.Header) string {
	switch h.Get("Content-Type") {
	case "application/proto", "application/connect+proto", "application/grpc", "application/grpc+proto",
		"application/grpc-web", "application/grpc-web+proto":
		return encodingProto
	}
	return encodingJSON
}
