package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Calls that never came to the chain leave a record too (A6): a path or a method
// that is none, a content type that nobody reads, a message that cannot be
// decoded or is too large. What is no HTTP request leaves none: there is nobody
// to name and nothing that was asked for.

// unheardPath records a request for something that does not exist.
func (s *Server) unheardPath(r *http.Request, f *failure) {
	s.unheard(r, r.Method+" "+r.URL.Path, f)
}

// unheardCall records what Connect refused before the chain.
func (s *Server) unheardCall(m *method, r *http.Request, x *response) {
	if f := x.refusal(); f != nil {
		s.unheard(r, m.name, f)
	}
}

func (s *Server) unheard(r *http.Request, command string, f *failure) {
	if s.deps.Refusals == nil {
		return
	}
	// Who gives no identity that is one is nobody here; the refusal stands.
	id, _ := s.deps.Authenticator.Authenticate(r.Context(), r.Header)
	_, position := s.logName()
	s.deps.Refusals.Refused(&controlv1.Refusal{
		Time: timestamppb.Now(), Position: int64(position), Actor: id.Actor, Command: cutTo(command, MaxReference),
		Code: f.reason, Message: cutTo(f.message, MaxReason), CorrelationId: correlation(&call{header: r.Header}, nil), Count: 1,
	})
}

// cutTo bounds a text that a caller chose.
func cutTo(text string, most int) string { return text[:min(len(text), most)] }

// reasonUnreadable is the refusal of a request that Connect says nothing about
// that could be read here.
const reasonUnreadable = "request_unreadable"

// refusal is what an answer of Connect's own says; nil when it is none, such as
// that its caller went away.
func (x *response) refusal() *failure {
	switch x.status {
	case http.StatusMethodNotAllowed:
		return reasoned(connect.CodeInvalidArgument, reasonMethod, "the method is not allowed; allowed: %s", x.Header().Get("Allow"))
	case http.StatusUnsupportedMediaType:
		return reasoned(connect.CodeInvalidArgument, reasonMediaType, "the content type is not one that is read; allowed: %s", x.Header().Get("Accept-Post"))
	}
	code, message, ok := x.saidError()
	switch {
	case ok && code != connect.CodeUnimplemented && !isRefusal(code, true):
		return nil
	case ok:
		return reasoned(code, code.String(), "%s", message)
	case x.status >= http.StatusBadRequest:
		return reasoned(connect.CodeInvalidArgument, reasonUnreadable, "%s", http.StatusText(x.status))
	}
	return nil
}

// saidError reads an error as one of the three protocols gives it: as JSON, by
// itself or in the envelope that ends a stream; as trailers; as trailers in the
// envelope of a body.
func (x *response) saidError() (code connect.Code, message string, ok bool) {
	h := x.Header()
	status := cmp.Or(h.Get(http.TrailerPrefix+"Grpc-Status"), h.Get("Grpc-Status"))
	message = cmp.Or(h.Get(http.TrailerPrefix+"Grpc-Message"), h.Get("Grpc-Message"))
	if status == "" {
		status, message = webTrailers(x.said)
	}
	if n, err := strconv.ParseUint(status, 10, 8); err == nil && n > 0 {
		if plain, err := url.PathUnescape(message); err == nil {
			message = plain
		}
		return connect.Code(n), message, true
	}
	_, object, found := bytes.Cut(x.said, []byte{'{'})
	if !found {
		return 0, "", false
	}
	type wire struct{ Code, Message string }
	var said struct {
		wire
		Error wire
	}
	if err := json.NewDecoder(bytes.NewReader(append([]byte{'{'}, object...))).Decode(&said); err != nil {
		return 0, "", false
	}
	e := cmp.Or(said.wire, said.Error)
	return code, e.Message, code.UnmarshalText([]byte(e.Code)) == nil
}

// webTrailers reads the trailers that gRPC-Web puts into the body.
func webTrailers(said []byte) (status, message string) {
	for line := range bytes.Lines(said) {
		line = bytes.TrimRight(line, "\r\n")
		if _, value, ok := bytes.Cut(line, []byte("grpc-status: ")); ok {
			status = string(value)
		}
		if _, value, ok := bytes.Cut(line, []byte("grpc-message: ")); ok {
			message = string(value)
		}
	}
	return status, message
}
