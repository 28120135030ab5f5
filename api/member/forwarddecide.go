package member

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/placement"
)

// The headers of a forwarded request, and of an answer that says that nothing was
// done. They are believed: who takes requests from others than nodes removes the
// first two, with which anybody could have requests held or refused, but not served
// by a node that does not own.
const (
	// HeaderForwardHops is how often the request was forwarded.
	HeaderForwardHops = "X-Mesh-Forward-Hops"
	// HeaderForwardPosition is the position of the assignment that it was forwarded
	// by: the receiver knows of none before, or waits until it does.
	HeaderForwardPosition = "X-Mesh-Forward-Position"
	// HeaderRefused is why a request was not served, and was not begun.
	HeaderRefused = "X-Mesh-Refused"
)

// Why a request is not served.
var (
	errHandoffTimeout = errors.New("member: the shard had no owner that could serve the request in time")
	errTooManyHeld    = errors.New("member: too many requests are held")
	errForwardStopped = errors.New("member: this node has left the mesh")
	errForwardLoop    = errors.New("member: the request was forwarded too often")
	errForwardFailed  = errors.New("member: the owner did not answer, what became of the request is not known")
)

// question is a request on its way.
type question struct {
	key  string
	read bool
	hops int
	// position of the assignment that the sender knew.
	position int64
	// body is what was read to be sent again; nil while nothing was, rest what
	// follows it.
	body []byte
	kept bool
	rest io.Reader
}

func (f *Forwarder) question(r *http.Request) (*question, error) {
	key, err := f.cfg.Key(r)
	if err != nil {
		return nil, &fenceProblem{"key", err.Error(), "a request that names its key"}
	}
	q := &question{key: key, read: f.cfg.IsRead(r)}
	for _, h := range []struct {
		name string
		set  func(int64)
	}{
		{HeaderForwardHops, func(n int64) { q.hops = int(min(n, 1<<20)) }},
		{HeaderForwardPosition, func(n int64) { q.position = n }},
	} {
		text := r.Header.Get(h.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, &fenceProblem{h.name, fmt.Sprintf("is %.40q", text), "a number from 0"}
		}
		h.set(n)
	}
	return q, nil
}

// request is the request with its whole body, whatever was read of it.
func (q *question) request(r *http.Request) *http.Request {
	if !q.kept {
		return r
	}
	r = r.WithContext(r.Context())
	r.Body = q.reader(r.Body)
	return r
}

// reader is the whole body anew; closing is left to the server.
func (q *question) reader(closer io.Closer) io.ReadCloser {
	var all io.Reader = bytes.NewReader(q.body)
	if q.rest != nil {
		all = io.MultiReader(all, q.rest)
	}
	return struct {
		io.Reader
		io.Closer
	}{all, closer}
}

// keep reads the body so far as it is kept; again says that it is all there.
func (q *question) keep(r *http.Request, most int64) (again bool, err error) {
	if !q.kept {
		if r.Body == nil || r.Body == http.NoBody {
			return true, nil
		}
		q.kept = true
		if q.body, err = io.ReadAll(io.LimitReader(r.Body, most+1)); err != nil {
			return false, fmt.Errorf("member: read the body: %w", err)
		}
		if int64(len(q.body)) > most {
			q.rest = r.Body
		}
	}
	return q.rest == nil, nil
}

// what happens to a request now.
type what uint8

const (
	holdBack what = iota
	serveHere
	readHere
	sendThere
)

// decision is what happens to a request now, and where.
type decision struct {
	what  what
	owner Ownership // serveHere
	done  func()
	addr  string // sendThere
	fence int64
}

// decide looks at what is owned here first: that is newer than any table.
func (f *Forwarder) decide(q *question, r *http.Request) decision {
	route := f.m.routes.find(f.cfg.Namespace)
	t := route.table.Load()
	if t == nil || t.count == 0 {
		return decision{}
	}
	shard := placement.ShardForKey(q.key, t.count)
	ref := Ref{Namespace: f.cfg.Namespace, Shard: shard}
	if o, ok := f.m.held.get(ref); ok && o.Fence >= q.position {
		if done, err := o.Begin(); err == nil {
			return decision{what: serveHere, owner: o, done: done}
		}
	}
	c := t.cell(shard)
	switch {
	case c.owner < 0 || c.fence < q.position: // nobody's, or the table is behind the sender's
		return decision{}
	case t.nodes[c.owner] != f.m.cfg.NodeID:
		addr, known := f.m.addrs.of(t.nodes[c.owner], f.cfg.AddrLabel)
		if !known {
			return decision{}
		}
		return decision{what: sendThere, addr: addr, fence: c.fence}
	case q.read && c.overlap && f.cfg.Reads != nil && !route.stale.Load() && f.m.gave(ref, c.fence):
		return decision{what: readHere}
	}
	return decision{} // this node's, and not yet, or no more
}

// gave reports whether this node, with a live lease, is giving up or gave up the
// ownership of this fence.
func (m *Member) gave(ref Ref, fence int64) bool {
	e, _, _ := m.lease.now()
	return e != nil && m.clock() < e.until.Load() && m.held.gave(ref, fence)
}

// refuse answers that nothing was done; errForwardFailed alone does not say so.
func (f *Forwarder) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refused := &fenceRefusal{cause: err, status: http.StatusServiceUnavailable, detail: &controlv1.ErrorDetail{RetryAfterMs: fenceRetry.Milliseconds()}}
	var problem *fenceProblem
	switch {
	case errors.As(err, &problem):
		refused = refuseFence(err)
	case errors.Is(err, errForwardFailed):
		f.stats.failed.Add(1)
		refused.status, refused.detail = http.StatusBadGateway, &controlv1.ErrorDetail{Reason: "forward_failed"}
		writeFenceProblem(w, r, refused)
		return
	case errors.Is(err, errForwardLoop):
		refused.status, refused.detail = http.StatusLoopDetected, &controlv1.ErrorDetail{Reason: "forward_loop"}
	case errors.Is(err, errTooManyHeld):
		refused.detail.Reason = "too_many_held"
	case errors.Is(err, errForwardStopped):
		refused.detail.Reason = "stopped"
	default: // also a caller that has gone
		refused.detail.Reason = "handoff_timeout"
	}
	f.stats.refused.Add(1)
	w.Header().Set(HeaderRefused, refused.detail.GetReason())
	writeFenceProblem(w, r, refused)
}
