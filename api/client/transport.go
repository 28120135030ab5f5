package client

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// base is where the generated clients think that the mesh is; the transport
// puts the attempt's endpoint in its place, so that one set of clients serves
// all endpoints.
const base = "http://mesh.invalid"

// attempt is one try of a call, carried in its context.
type attempt struct {
	endpoint *endpoint
	stream   bool
	// tried is set when the request reached the transport: an error without it
	// is of our own making, and trying again is in vain.
	tried atomic.Bool
	// connected is set when the request got a connection: without it, no byte
	// of it left.
	connected atomic.Bool
	// http1 is set when the answer came over HTTP/1.1, which has no
	// bidirectional streams.
	http1 atomic.Bool
	// elsewhere is set when a web server answered that there is nothing at the
	// call's path.
	elsewhere atomic.Bool
}

// explained says what such an answer means.
func (a *attempt) explained(e *Error) *Error {
	if a.elsewhere.Load() {
		e.Message = fmt.Sprintf("%s answers, but knows nothing of this call (%s): the URL is not that of a server of the mesh, or the server is of another release (allowed: http://HOST:PORT or https://HOST:PORT of a server)", a.endpoint.url, e.Message)
	}
	return e
}

type attemptKey struct{}

func withAttempt(ctx context.Context, a *attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// unaryConns bounds the connections to a server that unary calls of
// ProtocolMixed have at a time. Streams have another transport, so that none of
// them holds up calls.
const unaryConns = 256

// transport sends requests to the endpoint of their attempt.
type transport struct {
	// secure is for https://, the others are for http://.
	secure, unary, streams *http.Transport
	header                 http.Header
}

func newTransport(cfg Config) *transport {
	t := &transport{header: make(http.Header), secure: httpTransport(cfg, false)}
	switch cfg.Protocol {
	case ProtocolHTTP1:
		t.unary = httpTransport(cfg, false)
		t.streams = t.unary
	case ProtocolMixed:
		t.unary, t.streams = httpTransport(cfg, false), httpTransport(cfg, true)
		t.unary.MaxConnsPerHost = unaryConns
	default:
		t.unary = httpTransport(cfg, true)
		t.streams = t.unary
	}
	if cfg.Token != "" {
		t.header.Set("Authorization", "Bearer "+cfg.Token)
	}
	return t
}

func httpTransport(cfg Config, h2c bool) *http.Transport {
	var protocols http.Protocols
	if h2c {
		// Beside HTTP/1.1, Go would choose that for http:// URLs.
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true) // with TLS, if the server has it
	}
	dialer := net.Dialer{Timeout: cfg.DialTimeout}
	return &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     cfg.TLS,
		TLSHandshakeTimeout: cfg.DialTimeout,
		Protocols:           &protocols,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: cfg.PingAfter, PingTimeout: cfg.PingAfter},
		DisableCompression:  true,
		// One connection per concurrent call with HTTP/1.1: without room for
		// them, each burst would connect anew.
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     90 * time.Second,
	}
}

// Do implements connect.HTTPClient.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	a := req.Context().Value(attemptKey{}).(*attempt)
	target := *a.endpoint.url
	target.Path += req.URL.Path
	req.URL = &target
	req.Host = target.Host
	for name, values := range t.header {
		req.Header[name] = values
	}
	a.tried.Store(true)
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { a.connected.Store(true) },
	}))
	res, err := t.choose(a).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.ProtoMajor < 2 {
		a.http1.Store(true)
	}
	// The calls themselves answer with JSON, what they do not find included.
	if res.StatusCode == http.StatusNotFound && res.Header.Get("Content-Type") != "application/json" {
		a.elsewhere.Store(true)
	}
	return res, nil
}

func (t *transport) choose(a *attempt) *http.Transport {
	switch {
	case a.endpoint.url.Scheme == "https":
		return t.secure
	case a.stream:
		return t.streams
	}
	return t.unary
}

func (t *transport) close() {
	t.secure.CloseIdleConnections()
	t.unary.CloseIdleConnections()
	t.streams.CloseIdleConnections()
}
