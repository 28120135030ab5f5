package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
)

// message is a pointer to a generated message of type T.
type message[T any] interface {
	*T
	proto.Message
}

// unary is a method of a generated client.
type unary[Q, R any] func(context.Context, *connect.Request[Q]) (*connect.Response[R], error)

// read makes a call that changes nothing.
func read[Q, R any](ctx context.Context, c *Client, rpc unary[Q, R], req *Q) (*R, error) {
	return call(ctx, c, rpc, req, nil)
}

// mutate makes a call that changes something: the request gets its key. The
// caller's own request stays as it is.
func mutate[Q, R any, M message[Q]](ctx context.Context, c *Client, rpc unary[Q, R], req M) (*R, error) {
	own := proto.CloneOf(req)
	slot := mutationOf(own)
	if slot == nil {
		panic(fmt.Sprintf("client: %T is no mutation", req))
	}
	return call(ctx, c, rpc, (*Q)(own), newKeyIn(slot))
}

// call makes attempts until one has an answer or ctx ends.
func call[Q, R any](ctx context.Context, c *Client, rpc unary[Q, R], req *Q, k *key) (*R, error) {
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	waits := backoff{min: c.cfg.BackoffMin, max: c.cfg.BackoffMax}
	var last *Error
	for tries := 1; ; tries++ {
		a := &attempt{endpoint: c.endpoints.pick()}
		res, err := once(ctx, c, a, rpc, req)
		if err == nil {
			return res, nil
		}
		v, e := judge(ctx, a, err), asError(err)
		if v == final && k != nil && k.redate(e) {
			continue
		}
		if v == unknown {
			k.setUnknown()
		}
		if v == final && (ctx.Err() == nil || connect.IsWireError(err)) {
			return nil, k.settle(a.explained(e))
		}
		if v != final {
			c.endpoints.failed(a.endpoint)
		}
		if ctx.Err() != nil {
			// Cut short by the deadline, this attempt says less than the one
			// before.
			return nil, c.gaveUp(ctx, cmp.Or(last, e), k)
		}
		last = e
		if tries%c.endpoints.count() != 0 && e.RetryAfter == 0 {
			continue // the next endpoint, at once
		}
		if !pause(ctx, waits.next(e.RetryAfter)) {
			return nil, c.gaveUp(ctx, e, k)
		}
	}
}

// once is one attempt.
func once[Q, R any](ctx context.Context, c *Client, a *attempt, rpc unary[Q, R], req *Q) (*R, error) {
	ctx, cancel := context.WithTimeout(withAttempt(ctx, a), c.cfg.AttemptTimeout)
	defer cancel()
	request := connect.NewRequest(req)
	c.setHeader(request.Header())
	res, err := rpc(ctx, request)
	if err != nil {
		var ce *connect.Error
		if errors.As(err, &ce) {
			c.seen.note(ce.Meta())
		}
		return nil, err
	}
	c.seen.note(res.Header())
	return res.Msg, nil
}

// deadline gives ctx one, if it has none.
func (c *Client) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.cfg.CallTimeout)
}

// gaveUp is the error of a call that ran out of time: the last attempt's, with
// what it means for a mutation.
func (c *Client) gaveUp(ctx context.Context, last *Error, k *key) *Error {
	e := *last
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Code, e.Message = connect.CodeCanceled, "canceled"
		e.cause = errors.Join(ctx.Err(), last.cause)
	case last.Code != connect.CodeUnavailable && last.Code != connect.CodeResourceExhausted:
		e.Code = connect.CodeDeadlineExceeded
		e.Message = fmt.Sprintf("no answer in time from %s", c.names())
		e.cause = errors.Join(context.DeadlineExceeded, last.cause)
	case last.Reason == "":
		e.Message = fmt.Sprintf("no server reached at %s: %s", c.names(), last.Message)
	}
	k.mark(&e)
	return &e
}

func (c *Client) names() string { return strings.Join(c.cfg.Endpoints, ", ") }

// setHeader puts on a request what every request carries.
func (c *Client) setHeader(h http.Header) {
	if c.cfg.Log != "" {
		h.Set(headerLog, c.cfg.Log)
	}
	if c.cfg.UserAgent != "" {
		h.Set("User-Agent", c.cfg.UserAgent)
	}
}
