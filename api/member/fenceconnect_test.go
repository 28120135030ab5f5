package member_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/api/member"
)

type text = wrapperspb.StringValue

// connectResource is a resource of three procedures behind the interceptor.
// Write and Read answer with the token; Append takes lines until it is told to
// end, and says on lines what it got.
func connectResource(t *testing.T, g *member.FenceGuard, lines chan<- string) (url string) {
	t.Helper()
	guarded := connect.WithInterceptors(member.FenceHandlerInterceptor(g, member.FenceProcedures{
		Scope: func(_ connect.Spec, h http.Header) string { return h.Get("Of") },
	}))
	token := func(ctx context.Context, _ *connect.Request[text]) (*connect.Response[text], error) {
		t, _ := member.TokenOf(ctx)
		return connect.NewResponse(wrapperspb.String(t.String())), nil
	}
	mux := http.NewServeMux()
	mux.Handle("/r/Write", connect.NewUnaryHandler("/r/Write", token, guarded))
	mux.Handle("/r/Read", connect.NewUnaryHandler("/r/Read", token, guarded, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
	mux.Handle("/r/Append", connect.NewBidiStreamHandler("/r/Append", func(ctx context.Context, s *connect.BidiStream[text, text]) error {
		for {
			line, err := s.Receive()
			if err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			lines <- line.GetValue()
			if err := s.Send(line); err != nil {
				return err
			}
		}
	}, guarded))
	return serve(t, mux)
}

func connectClient(t *testing.T, url, procedure string, r member.Right, options ...connect.ClientOption) *connect.Client[text, text] {
	t.Helper()
	if r != nil {
		options = append(options, connect.WithInterceptors(member.FenceClientInterceptor(r)))
	}
	return connect.NewClient[text, text](&http.Client{Transport: transport(t, 2)}, url+procedure, options...)
}

// reasonOf is the code and the reason of a Connect error's detail.
func reasonOf(t *testing.T, err error) (connect.Code, string) {
	t.Helper()
	var e *connect.Error
	if !errors.As(err, &e) {
		t.Fatalf("no Connect error: %v", err)
	}
	for _, d := range e.Details() {
		if v, err := d.Value(); err == nil {
			if detail, ok := v.(*controlv1.ErrorDetail); ok {
				return e.Code(), detail.GetReason()
			}
		}
	}
	return e.Code(), ""
}

func TestFenceConnectUnary(t *testing.T) {
	t.Parallel()
	url := connectResource(t, guard(t, nil), nil)
	for _, protocol := range []struct {
		name    string
		options []connect.ClientOption
	}{{"connect", nil}, {"grpc", []connect.ClientOption{connect.WithGRPC()}}} {
		scope := protocol.name
		call := func(procedure string, r member.Right, of string) (string, error) {
			req := connect.NewRequest(wrapperspb.String(""))
			if of != "" {
				req.Header().Set("Of", of)
			}
			res, err := connectClient(t, url, procedure, r, protocol.options...).CallUnary(bounded(t), req)
			if err != nil {
				return "", err
			}
			return res.Msg.GetValue(), nil
		}
		if got, err := call("/r/Write", newRight(scope, 7), scope); err != nil || got != scope+" fence 7" {
			t.Errorf("%s: %q %v", scope, got, err)
		}
		if got, err := call("/r/Read", newRight(scope, 8), ""); err != nil || got != scope+" fence 8" {
			t.Errorf("%s: a read with a token: %q %v", scope, got, err)
		}
		if _, err := call("/r/Read", nil, ""); err != nil {
			t.Errorf("%s: a read without a token: %v", scope, err)
		}
		_, err := call("/r/Write", newRight(scope, 7), "")
		if code, reason := reasonOf(t, err); code != connect.CodeFailedPrecondition || reason != "stale_fence" {
			t.Errorf("%s: stale: %v %s", scope, code, reason)
		}
		var e *connect.Error
		if errors.As(err, &e) {
			if stale, ok := member.StaleFence(e.Meta()); !ok || *stale != (member.StaleFenceError{Scope: scope, Fence: 7, Highest: 8}) {
				t.Errorf("%s: StaleFence: %v in %v", scope, stale, e.Meta())
			}
		}
		_, err = call("/r/Write", nil, "")
		if code, reason := reasonOf(t, err); code != connect.CodeInvalidArgument || reason != "invalid_field" {
			t.Errorf("%s: without a token: %v %s", scope, code, reason)
		}
		_, err = call("/r/Write", newRight(scope, 9), "other")
		if code, reason := reasonOf(t, err); code != connect.CodeFailedPrecondition || reason != "wrong_scope" {
			t.Errorf("%s: of another scope: %v %s", scope, code, reason)
		}
		lapsed := newRight(scope, 9)
		lapsed.lapse()
		_, err = call("/r/Write", lapsed, "")
		if code, reason := reasonOf(t, err); code != connect.CodeFailedPrecondition || reason != "right_ended" || !errors.Is(err, member.ErrLeaseEnded) {
			t.Errorf("%s: not sent: %v %s %v", scope, code, reason, err)
		}
	}
}

// TestFenceConnectStream: a stream of a holder that sleeps ends when its
// successor comes, who begins only then; a client sends nothing on a stream whose
// right has ended.
func TestFenceConnectStream(t *testing.T) {
	t.Parallel()
	lines := make(chan string, 8)
	url := connectResource(t, guard(t, nil), lines)
	open := func(r member.Right) *connect.BidiStreamForClient[text, text] {
		return connectClient(t, url, "/r/Append", r).CallBidiStream(bounded(t))
	}
	holder := newRight("jobs", 1)
	old := open(holder)
	if err := old.Send(wrapperspb.String("old")); err != nil {
		t.Fatal(err)
	}
	if got := <-lines; got != "old" {
		t.Fatalf("line %q", got)
	}
	if _, err := old.Receive(); err != nil {
		t.Fatal(err)
	}

	successor := newRight("jobs", 2)
	next := open(successor)
	if err := next.Send(wrapperspb.String("new")); err != nil {
		t.Fatal(err)
	}
	if got := <-lines; got != "new" {
		t.Fatalf("line %q", got)
	}
	_ = old.Send(wrapperspb.String("too late")) // the stream may be known to be over
	_, err := old.Receive()
	if code, reason := reasonOf(t, err); code != connect.CodeFailedPrecondition || reason != "stale_fence" {
		t.Errorf("the old stream ended with %v", err)
	}

	successor.lapse()
	if err := next.Send(wrapperspb.String("asleep")); !errors.Is(err, member.ErrLeaseEnded) {
		t.Errorf("sent for a right that has ended: %v", err)
	}
	_ = next.CloseResponse()
	_ = old.CloseResponse()
	third := open(newRight("jobs", 3))
	if err := third.Send(wrapperspb.String("third")); err != nil {
		t.Fatal(err)
	}
	if got := <-lines; got != "third" {
		t.Errorf("line %q", got)
	}
	if err := third.CloseRequest(); err != nil {
		t.Fatal(err)
	}
	_ = third.CloseResponse()
}
