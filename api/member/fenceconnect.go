package member

import (
	"context"
	"net/http"
	"time"

	"connectrpc.com/connect"
)

// FenceProcedures say which calls of a resource need which token. The zero value
// asks for one of any scope with every procedure that is not declared to have no
// side effects.
type FenceProcedures struct {
	// Scope is the scope that a call's resource belongs to, by its procedure and
	// headers; a token of another is refused. nil, and "", believe the call, which
	// is right only when every caller may act for every scope, or when the handler
	// compares [TokenOf] with the message.
	Scope func(connect.Spec, http.Header) string
	// Optional reports that a call may come without a token; with one it is
	// guarded all the same. nil: connect.IdempotencyNoSideEffects.
	Optional func(connect.Spec) bool
	// Wait bounds the wait for operations of lower fences; 0 is
	// [DefaultFenceWait].
	Wait time.Duration
}

// FenceHandlerInterceptor is [FenceHandler] for Connect handlers, unary and
// streaming. A stream is one operation: when a higher fence comes its context
// ends, Receive and Send fail, and the higher one waits until its handler has
// returned. Refusals have the detail that the control plane's errors have
// (ErrorDetail) and the codes FailedPrecondition, InvalidArgument,
// ResourceExhausted and Unavailable.
func FenceHandlerInterceptor(guard *FenceGuard, procedures FenceProcedures) connect.Interceptor {
	if procedures.Optional == nil {
		procedures.Optional = func(s connect.Spec) bool { return s.IdempotencyLevel == connect.IdempotencyNoSideEffects }
	}
	if procedures.Scope == nil {
		procedures.Scope = func(connect.Spec, http.Header) string { return "" }
	}
	if procedures.Wait == 0 {
		procedures.Wait = DefaultFenceWait
	}
	return &fenceHandlerInterceptor{guard: guard, procedures: procedures}
}

type fenceHandlerInterceptor struct {
	guard      *FenceGuard
	procedures FenceProcedures
}

// admit runs a call that the guard lets in; its own error comes back unchanged.
func (i *fenceHandlerInterceptor) admit(ctx context.Context, spec connect.Spec, h http.Header, call func(context.Context) error) error {
	token, given, err := wantFence(h, i.procedures.Scope(spec, h), i.procedures.Optional(spec))
	if err != nil {
		return refuseFence(err).asConnect()
	}
	if !given {
		return call(ctx)
	}
	var result error
	err = i.guard.doWithin(ctx, i.procedures.Wait, token, func(ctx context.Context) error {
		result = call(ctx)
		return nil
	})
	if err != nil {
		return refuseFence(err).asConnect()
	}
	return result
}

// WrapUnary implements connect.Interceptor.
func (i *fenceHandlerInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (res connect.AnyResponse, err error) {
		if req.Spec().IsClient {
			return next(ctx, req)
		}
		err = i.admit(ctx, req.Spec(), req.Header(), func(ctx context.Context) (err error) {
			res, err = next(ctx, req)
			return err
		})
		if err != nil {
			return nil, err
		}
		return res, nil
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (i *fenceHandlerInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (i *fenceHandlerInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return i.admit(ctx, conn.Spec(), conn.RequestHeader(), func(ctx context.Context) error {
			if _, fenced := TokenOf(ctx); fenced {
				conn = &fencedConn{StreamingHandlerConn: conn, ctx: ctx}
			}
			return next(ctx, conn)
		})
	}
}

// fencedConn is a stream whose calls end with its context. A handler that waits
// for a message of a caller who sleeps would otherwise hold up every successor.
type fencedConn struct {
	connect.StreamingHandlerConn
	ctx context.Context
}

// Receive implements connect.StreamingHandlerConn. When the context ends it
// leaves a goroutine behind, which ends when the stream does: at the latest when
// the handler, whose stream it is, has returned and the server closes it. The
// message is that goroutine's then.
func (c *fencedConn) Receive(msg any) error {
	return c.until(func() error { return c.StreamingHandlerConn.Receive(msg) })
}

// Send implements connect.StreamingHandlerConn. It leaves nothing behind: the
// message would be read after the caller has it back. The context is looked at
// before, and a peer that reads no more is for the server's write timeout.
func (c *fencedConn) Send(msg any) error {
	if c.ctx.Err() != nil {
		return c.refusal()
	}
	return c.StreamingHandlerConn.Send(msg)
}

func (c *fencedConn) until(call func() error) error {
	if c.ctx.Err() != nil {
		return c.refusal()
	}
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-c.ctx.Done():
		return c.refusal()
	}
}

// refusal is why the stream ended: a higher fence, or the caller went away.
func (c *fencedConn) refusal() error {
	cause := context.Cause(c.ctx)
	if r := refuseFence(cause); r.stale != nil {
		return r.asConnect()
	}
	return connect.NewError(connect.CodeOf(c.ctx.Err()), cause)
}

func (r *fenceRefusal) asConnect() *connect.Error {
	e := connect.NewError(r.code, r.cause)
	if d, err := connect.NewErrorDetail(r.detail); err == nil {
		e.AddDetail(d)
	}
	r.describe(e.Meta())
	return e
}
