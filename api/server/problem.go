package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

// This file is the one mapping of errors to HTTP: application/problem+json
// (RFC 9457), as PROTOCOL §2 tables it.

// statusOf is the HTTP status of an error.
func statusOf(code connect.Code, reason string) int {
	switch reason {
	case reasonBodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case reasonMethod:
		return http.StatusMethodNotAllowed
	case reasonMediaType:
		return http.StatusUnsupportedMediaType
	}
	switch code {
	case connect.CodeInvalidArgument:
		return http.StatusBadRequest
	case connect.CodeUnauthenticated:
		return http.StatusUnauthorized
	case connect.CodePermissionDenied:
		return http.StatusForbidden
	case connect.CodeNotFound:
		return http.StatusNotFound
	case connect.CodeFailedPrecondition, connect.CodeAlreadyExists:
		return http.StatusConflict
	case connect.CodeAborted:
		return http.StatusPreconditionFailed
	case connect.CodeOutOfRange:
		return http.StatusGone
	case connect.CodeResourceExhausted:
		return http.StatusTooManyRequests
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled:
		return http.StatusServiceUnavailable
	case connect.CodeUnimplemented:
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}

// Reasons that HTTP alone has.
const (
	reasonBodyTooLarge = "body_too_large"
	reasonMethod       = "method_not_allowed"
	reasonMediaType    = "media_type_unsupported"
	reasonPath         = "path_not_found"
)

// restField is how a field of a message is called in REST.
func restField(field string) string {
	switch field {
	case "read.asOfPosition", "read.asOfTime":
		return "asOf"
	case "mutation.ifVersion":
		return "If-Match"
	case "mutation.idempotencyKey":
		return headerKey
	case "fromToken":
		return "fromVersion"
	case "toToken":
		return "toVersion"
	case "cursor":
		return "pageToken"
	case "statuses":
		return "status"
	}
	field = strings.TrimPrefix(field, "mutation.")
	return strings.TrimPrefix(field, "read.")
}

// appendProblem appends an error as a problem document.
func appendProblem(dst []byte, f *failure, d *controlv1.ErrorDetail, instance string) []byte {
	status := statusOf(f.code, f.reason)
	message := f.message
	for _, v := range d.GetFields() {
		message = strings.Replace(message, v.GetField(), restField(v.GetField()), 1)
		if v.GetAllowed() != "" && !strings.Contains(message, "allowed: ") {
			message += "; allowed: " + v.GetAllowed()
		}
	}
	dst = append(dst, `{"type":`...)
	dst = v1json.AppendString(dst, "urn:omnirelay:problem:"+f.reason)
	dst = appendMember(dst, "title", http.StatusText(status))
	dst = appendNumber(dst, "status", int64(status))
	dst = appendMember(dst, "detail", message)
	dst = appendMember(dst, "instance", instance)
	dst = appendMember(dst, "code", f.reason)
	dst = append(dst, `,"errors":[`...)
	for i, v := range d.GetFields() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"field":`...)
		dst = v1json.AppendString(dst, restField(v.GetField()))
		dst = appendMember(dst, "reason", v.GetReason())
		dst = append(appendMember(dst, "allowed", v.GetAllowed()), '}')
	}
	dst = append(dst, ']')
	dst = appendNumber(dst, "position", d.GetPosition())
	if d.GetCurrentEtag() != "" {
		dst = appendMember(dst, "currentEtag", d.GetCurrentEtag())
		dst = appendNumber(dst, "currentVersion", d.GetCurrentVersion())
	}
	if d.GetLogTime() != nil {
		dst = append(dst, `,"logTime":`...)
		dst = v1json.Append(dst, d.GetLogTime())
	}
	if d.GetRetryAfterMs() > 0 {
		dst = appendNumber(dst, "retryAfterMs", d.GetRetryAfterMs())
	}
	return append(dst, '}')
}

func appendMember(dst []byte, name, value string) []byte {
	dst = append(dst, `,"`+name+`":`...)
	return v1json.AppendString(dst, value)
}

// problemOf is what the chain's error says. The chain has made a Connect error
// of it, which knows its failure.
func problemOf(err error) *failure {
	var made *connect.Error
	var own *failure
	if errors.As(err, &made) && errors.As(made.Unwrap(), &own) {
		return own
	}
	return failureOf(err)
}

// writeProblem answers with an error.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	f := problemOf(err)
	log, head := s.logName()
	// What the chain refused has these headers already; what never came to it,
	// such as a path that is none, has them too.
	if log != "" {
		w.Header().Set(headerLog, log)
	}
	w.Header().Set(headerPosition, head.String())
	var made *connect.Error
	if errors.As(err, &made) {
		for name, values := range made.Meta() {
			w.Header()[name] = values
		}
	}
	w.Header().Del(headerETag) // a problem is no snapshot
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if f.retry > 0 {
		w.Header().Set(headerRetryAfter, retrySeconds(f.retry))
	}
	w.WriteHeader(statusOf(f.code, f.reason))
	_, _ = w.Write(appendProblem(nil, f, f.detail(head), r.URL.Path)) // who does not hear it has gone
}

// NotStarted answers every call while the server is not there yet: waiting says
// what for. It is for whoever has the listener before it has a [Server].
func NotStarted(w http.ResponseWriter, r *http.Request, waiting string) {
	f := reasoned(connect.CodeUnavailable, "starting", "this server is starting; %s", waiting)
	f.retry = startingRetry
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set(headerRetryAfter, retrySeconds(f.retry))
	w.WriteHeader(statusOf(f.code, f.reason))
	_, _ = w.Write(appendProblem(nil, f, f.detail(0), r.URL.Path)) // who does not hear it has gone
}

// startingRetry is when to ask a server again that is starting.
const startingRetry = 500 * time.Millisecond

func appendNumber(dst []byte, name string, n int64) []byte {
	dst = append(dst, `,"`+name+`":`...)
	return strconv.AppendInt(dst, n, 10)
}
