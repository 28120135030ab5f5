package member

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// FenceTransport sends requests with the token of a right, and none when the
// right has ended: it is checked before a request is sent and before each piece
// of its body, so that a holder that slept through its lease sends no more (L6).
// What had been sent by then the resource refuses. A request in flight when the
// right ends is canceled; whether it took effect is unknown.
//
// A right ends for good: make a transport, which is small, for each. nil is
// [http.DefaultTransport].
func FenceTransport(right Right, base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &fenceTransport{right: right, base: base}
}

type fenceTransport struct {
	right Right
	base  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *fenceTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := ended(t.right); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // nothing of it was used
		}
		return nil, err
	}
	ctx, cancel := within(r.Context(), t.right)
	out := r.Clone(ctx)
	SetFence(out.Header, t.right.Token())
	t.check(out)
	res, err := t.base.RoundTrip(out)
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &endingBody{ReadCloser: res.Body, end: cancel}
	return res, nil
}

// check makes a request's body, and every copy that a retry takes, check the
// right as it is read.
func (t *fenceTransport) check(r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	r.Body = &checkedBody{ReadCloser: r.Body, right: t.right}
	if again := r.GetBody; again != nil {
		r.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			return &checkedBody{ReadCloser: body, right: t.right}, nil
		}
	}
}

// ended says why nothing is sent for a right; nil while it lasts.
func ended(right Right) error {
	if err := right.Check(); err != nil {
		return fmt.Errorf("member: not sent, %s has ended: %w", right.Token(), err)
	}
	return nil
}

// within is a context that ends with the right too.
func within(ctx context.Context, right Right) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	permit := right.Permit()
	stop := context.AfterFunc(permit, func() { cancel(context.Cause(permit)) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}

type checkedBody struct {
	io.ReadCloser
	right Right
}

// Read implements io.Reader.
func (b *checkedBody) Read(p []byte) (int, error) {
	if err := ended(b.right); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

// endingBody ends what a request holds when its answer is done with.
type endingBody struct {
	io.ReadCloser
	end context.CancelFunc
}

// Close implements io.Closer.
func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
