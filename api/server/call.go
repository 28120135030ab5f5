package server

import (
	"context"
	"net/http"
	"strconv"

	"github.com/omnirelay/omnirelay/api/auth"
	"github.com/omnirelay/omnirelay/events"
)

// Headers of every protocol.
const (
	headerLog         = "X-Mesh-Log"
	headerPosition    = "X-Mesh-Position"
	headerRequestID   = "X-Request-Id"
	headerCorrelation = "X-Correlation-Id"
	headerKey         = "Idempotency-Key"
	headerETag        = "ETag"
	headerRetryAfter  = "Retry-After"
)

// call is one call on its way through the chain. It belongs to the goroutine
// of its request, but for a stream of commands, which only reads it.
type call struct {
	method *method
	// protocol is connect, grpc, grpcweb, rest or sse; encoding proto or json.
	protocol, encoding string
	header             http.Header
	identity           auth.Identity
	requestID          string
	// bind fills the message from path, query and body of a REST call, once it is
	// known who calls; nil when the message came as such.
	bind func() error

	// What the handler says beside its message.
	position events.Position
	// before: the answer is of the time before the first event, position 0.
	before bool
	etag   string
	key    string
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns the call of a handler's context. Every handler has one.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// answered notes the position that the answer is of.
func (c *call) answered(p events.Position) { c.position = p }

// wire reports whether the answer is encoded as proto, so that rows may be
// handed over as they are stored.
func (c *call) wire() bool { return c.encoding == encodingProto }

const (
	encodingProto = "proto"
	encodingJSON  = "json"
	protocolREST  = "rest"
	protocolSSE   = "sse"
)

// tagged sets the answer's ETag and reports whether the caller has it already;
// the handler then returns errNotModified.
func (c *call) tagged(etag string) (known bool) {
	c.etag = etag
	if c.protocol != protocolREST {
		return false
	}
	return matchesETag(c.header.Values("If-None-Match"), etag)
}

// writeHeaders puts what the call says about itself into an answer's headers.
func (s *Server) writeHeaders(h http.Header, c *call) {
	log, head := s.logName()
	if log != "" {
		h.Set(headerLog, log)
	}
	position := c.position
	if position == 0 && !c.before {
		position = head
	}
	h.Set(headerPosition, strconv.FormatUint(uint64(position), 10))
	h.Set(headerRequestID, c.requestID)
	if c.etag != "" {
		h.Set(headerETag, c.etag)
	}
	if c.key != "" {
		h.Set(headerKey, c.key)
	}
}
