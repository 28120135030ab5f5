package member

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
)

// errRefusedThere: the receiver says that it did nothing.
var errRefusedThere = errors.New("member: the receiver refused the request")

// send forwards a request. again says that nothing was done and nothing answered;
// an error is to be answered with.
func (f *Forwarder) send(w http.ResponseWriter, r *http.Request, q *question, d decision) (again bool, err error) {
	if q.hops >= f.cfg.MaxHops {
		return false, errForwardLoop
	}
	base, err := baseURL(d.addr)
	if err != nil {
		return true, nil // as good as none: the label may be corrected
	}
	replay, err := q.keep(r, f.cfg.MaxBody)
	if err != nil {
		return false, err
	}
	var failed error
	proxy := &httputil.ReverseProxy{
		Transport: f.cfg.Transport, FlushInterval: -1, ErrorLog: f.log,
		Rewrite:        func(p *httputil.ProxyRequest) { f.rewrite(p, q, d, base) },
		ModifyResponse: refusedThere,
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
	}
	proxy.ServeHTTP(w, f.outgoing(r, q, replay))
	switch {
	case failed == nil:
		f.stats.forwarded.Add(1)
		return false, nil
	case r.Context().Err() != nil:
		return false, failed
	case replay && (q.read || undone(failed)):
		return true, nil
	case undone(failed):
		return false, errHandoffTimeout // the body is gone, the caller has it
	}
	return false, fmt.Errorf("%w: %w", errForwardFailed, failed)
}

// outgoing is the request to be proxied, with a body of its own.
func (f *Forwarder) outgoing(r *http.Request, q *question, replay bool) *http.Request {
	out := r.WithContext(r.Context())
	if !q.kept {
		return out
	}
	out.Body = q.reader(http.NoBody)
	if replay {
		out.ContentLength = int64(len(q.body))
		out.GetBody = func() (io.ReadCloser, error) { return q.reader(http.NoBody), nil }
	}
	return out
}

func (f *Forwarder) rewrite(p *httputil.ProxyRequest, q *question, d decision, base *url.URL) {
	p.SetURL(base)
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	p.Out.Host = p.In.Host
	p.SetXForwarded()
	p.Out.Header.Set(HeaderForwardHops, strconv.Itoa(q.hops+1))
	p.Out.Header.Set(HeaderForwardPosition, strconv.FormatInt(d.fence, 10))
}

// refusedThere keeps a refusal from the caller: it is this node's to go on.
func refusedThere(res *http.Response) error {
	if res.Header.Get(HeaderRefused) == "" {
		return nil
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4096) // so that the connection can be used again
	return errRefusedThere
}

// undone reports whether a request was certainly not begun elsewhere.
func undone(err error) bool {
	var op *net.OpError
	return errors.Is(err, errRefusedThere) || errors.As(err, &op) && op.Op == "dial"
}

// baseURL is an address as nodes advertise it.
func baseURL(addr string) (*url.URL, error) {
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	if err == nil && u.Host == "" {
		err = errors.New("it has no host")
	}
	return u, err
}
