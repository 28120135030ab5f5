package member

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// ForwardConfig says how requests are routed by their keys. Namespace, Key and
// Serve are required; the zero value of the others is a default.
type ForwardConfig struct {
	// Namespace is followed, as by [Member.Follow].
	Namespace string
	// Key is what a request is routed by; it must not read the body. Its error is
	// answered with 400.
	Key func(*http.Request) (string, error)
	// Serve serves the requests of shards that are owned here. [OwnershipOf] their
	// context is the ownership; the context ends when the ownership does. A release
	// waits for them, see [Ownership.Begin].
	Serve http.Handler
	// Reads serves reads of a shard that was released here, or is being released,
	// until the table shows who has it next: for namespaces that allow it (overlap),
	// while the lease lives. What it answers may be older than what the next owner
	// wrote by then, by the lag of the table. nil holds reads as it does writes.
	Reads http.Handler
	// IsRead says which requests are reads; nil: GET and HEAD.
	IsRead func(*http.Request) bool
	// AddrLabel is the label of nodes with their address; empty: DefaultAddrLabel.
	AddrLabel string
	// Transport reaches other nodes; nil is HTTP/1 in plaintext with keep-alive.
	Transport http.RoundTripper
	// Hold bounds how long one request is held, all waits together; 0 is 15 s.
	Hold time.Duration
	// MaxHeld bounds the requests that are held at once; one more is refused. 0 is
	// 1,024.
	MaxHeld int
	// MaxBody is the longest body that is kept to be sent again when the first
	// receiver did not take it; a longer one is sent once. 0 is 1 MiB.
	MaxBody int64
	// MaxHops bounds how often a request is forwarded; 0 is 4.
	MaxHops int
}

func (c ForwardConfig) withDefaults() (ForwardConfig, error) {
	switch {
	case c.Namespace == "":
		return c, errors.New("member: Namespace of a forwarder is empty (allowed: the name of a namespace)")
	case c.Key == nil || c.Serve == nil:
		return c, errors.New("member: a forwarder has no Key or no Serve (allowed: both)")
	case c.Hold < 0 || c.MaxHeld < 0 || c.MaxBody < 0 || c.MaxHops < 0:
		return c, fmt.Errorf("member: a bound of a forwarder is below 0: %s, %d, %d, %d (allowed: 0 or more)", c.Hold, c.MaxHeld, c.MaxBody, c.MaxHops)
	}
	if c.IsRead == nil {
		c.IsRead = func(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }
	}
	if c.AddrLabel == "" {
		c.AddrLabel = DefaultAddrLabel
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		}
	}
	c.Hold = orDefault(c.Hold, 15*time.Second)
	c.MaxHeld, c.MaxBody, c.MaxHops = orDefault(c.MaxHeld, 1024), orDefault(c.MaxBody, 1<<20), orDefault(c.MaxHops, 4)
	return c, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Forwarder is a handler that brings each request to the owner of its shard: it
// serves what is owned here, forwards what is owned elsewhere, and holds what
// nobody may serve now until somebody may.
//
//  1. A request is served under an ownership, or not at all; a release waits for
//     it. So there are never two writers, and none that is cut off.
//  2. It is sent again only when whoever got it says that it did nothing
//     ([HeaderRefused]), when it was never sent, or when it is a read. What is not
//     known to be undone is answered with 502.
//  3. It ends: each hop rests on a later assignment of the shard than the one
//     before, hops are bounded, and so is the time that it is held.
//
// Refusals are application/problem+json: 503 handoff_timeout, too_many_held and
// stopped, 508 forward_loop, all with [HeaderRefused]; 502 forward_failed; 400
// invalid_field.
type Forwarder struct {
	m     *Member
	cfg   ForwardConfig
	log   *log.Logger
	held  atomic.Int64
	stats forwardCounts
}

// ForwardStats counts what became of requests since the start, but for Held, which
// are held now.
type ForwardStats struct {
	Served, Reads, Forwarded, Refused, Failed, Held int64
}

type forwardCounts struct{ served, reads, forwarded, refused, failed atomic.Int64 }

// Forward makes a forwarder. It begins to route when the member runs.
func (m *Member) Forward(cfg ForwardConfig) (*Forwarder, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m.routes.follow(cfg.Namespace)
	m.followPeers()
	return &Forwarder{m: m, cfg: cfg, log: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug)}, nil
}

// Stats are the counters.
func (f *Forwarder) Stats() ForwardStats {
	return ForwardStats{
		Served: f.stats.served.Load(), Reads: f.stats.reads.Load(), Forwarded: f.stats.forwarded.Load(),
		Refused: f.stats.refused.Load(), Failed: f.stats.failed.Load(), Held: f.held.Load(),
	}
}

type ownershipKey struct{}

// OwnershipOf is the ownership that a request is served under.
func OwnershipOf(ctx context.Context) (Ownership, bool) {
	o, ok := ctx.Value(ownershipKey{}).(Ownership)
	return o, ok
}

// ServeHTTP implements [http.Handler].
func (f *Forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := f.question(r)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	hold := holding{f: f, until: time.Now().Add(f.cfg.Hold)}
	defer hold.end()
	for {
		changed := f.m.news.next()
		pause := f.cfg.Hold
		switch d := f.decide(q, r); d.what {
		case serveHere:
			hold.end()
			f.serve(w, q.request(r), d)
			return
		case readHere:
			hold.end()
			f.stats.reads.Add(1)
			f.cfg.Reads.ServeHTTP(w, q.request(r))
			return
		case sendThere:
			hold.end()
			again, err := f.send(w, r, q, d)
			if err != nil {
				f.refuse(w, r, err)
			}
			if !again {
				return
			}
			pause = hold.pause()
		}
		if err := hold.wait(r.Context(), changed, pause); err != nil {
			f.refuse(w, r, err)
			return
		}
	}
}

// serve serves a request under an ownership that counts it.
func (f *Forwarder) serve(w http.ResponseWriter, r *http.Request, d decision) {
	defer d.done()
	f.stats.served.Add(1)
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), ownershipKey{}, d.owner))
	defer cancel(nil)
	defer context.AfterFunc(d.owner.Context(), func() { cancel(context.Cause(d.owner.Context())) })()
	f.cfg.Serve.ServeHTTP(w, r.WithContext(ctx))
}

// holding is the time that one request is held.
type holding struct {
	f     *Forwarder
	until time.Time
	held  bool
	tries int
}

// wait holds a request until something changed, or for a pause.
func (h *holding) wait(ctx context.Context, changed <-chan struct{}, pause time.Duration) error {
	left := time.Until(h.until)
	if left <= 0 {
		return errHandoffTimeout
	}
	if !h.held {
		if h.f.held.Add(1) > int64(h.f.cfg.MaxHeld) {
			h.f.held.Add(-1)
			return errTooManyHeld
		}
		h.held = true
	}
	timer := time.NewTimer(min(left, pause))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
		if pause >= left {
			return errHandoffTimeout
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-h.f.m.finished:
		return errForwardStopped
	}
	return nil
}

// end is called when a request is held no longer.
func (h *holding) end() {
	if h.held {
		h.held = false
		h.f.held.Add(-1)
	}
}

// pause grows with each try that was refused elsewhere: the table that this node
// waits for may have come already, and the receiver's not.
func (h *holding) pause() time.Duration {
	h.tries++
	return min(5*time.Millisecond<<min(h.tries, 8), 500*time.Millisecond)
}
