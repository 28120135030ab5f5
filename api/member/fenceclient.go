package member

import (
	"context"
	"errors"
	"io"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// FenceClientInterceptor is [FenceTransport] for Connect clients: calls carry the
// token of a right, and none is made, and no message of a stream sent, when the
// right has ended. Such an error has code FailedPrecondition, reason right_ended,
// and wraps why, for example [ErrLeaseEnded].
//
// A right ends for good: make a client for each.
func FenceClientInterceptor(right Right) connect.Interceptor {
	return &fenceClientInterceptor{right: right}
}

type fenceClientInterceptor struct{ right Right }

// check is the error of a call that is not made.
func (i *fenceClientInterceptor) check() error {
	err := ended(i.right)
	if err == nil {
		return nil
	}
	e := connect.NewError(connect.CodeFailedPrecondition, err)
	if d, err := connect.NewErrorDetail(&controlv1.ErrorDetail{Reason: "right_ended"}); err == nil {
		e.AddDetail(d)
	}
	return e
}

// WrapUnary implements connect.Interceptor.
func (i *fenceClientInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		if !req.Spec().IsClient {
			return next(ctx, req)
		}
		if err := i.check(); err != nil {
			return nil, err
		}
		ctx, cancel := within(ctx, i.right)
		defer cancel()
		SetFence(req.Header(), i.right.Token())
		return next(ctx, req)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (i *fenceClientInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		ctx, cancel := within(ctx, i.right)
		conn := next(ctx, spec)
		SetFence(conn.RequestHeader(), i.right.Token())
		return &checkedConn{StreamingClientConn: conn, check: i.check, end: cancel}
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (i *fenceClientInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// checkedConn is a stream that sends while the right lasts.
type checkedConn struct {
	connect.StreamingClientConn
	check func() error
	end   context.CancelFunc
}

// Send implements connect.StreamingClientConn.
func (c *checkedConn) Send(msg any) error {
	if err := c.check(); err != nil {
		c.end()
		return err
	}
	return c.StreamingClientConn.Send(msg)
}

// Receive implements connect.StreamingClientConn.
func (c *checkedConn) Receive(msg any) error {
	err := c.StreamingClientConn.Receive(msg)
	if err != nil && !errors.Is(err, io.EOF) {
		c.end()
	}
	return err
}

// CloseResponse implements connect.StreamingClientConn.
func (c *checkedConn) CloseResponse() error {
	defer c.end()
	return c.StreamingClientConn.CloseResponse()
}
