package client

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Reasons that the client itself acts on.
const (
	reasonExpired = "idempotency_expired"
	reasonAhead   = "idempotency_ahead"
)

// Error is what a call came to that did not succeed.
type Error struct {
	Code connect.Code
	// Reason is the rejection reason or error code, for example node_cordoned;
	// empty when the server did not say, or no server answered.
	Reason string
	// Message is for people.
	Message string
	// Fields are the request's fields at fault.
	Fields []FieldError
	// CurrentVersion and CurrentETag are the record's, when it did not have
	// the version that the mutation asked for.
	CurrentVersion int64
	CurrentETag    string
	// Position that the error rests on; 0 when unknown.
	Position int64
	// LogTime is the log's time of the answer; zero when unknown.
	LogTime time.Time
	// RetryAfter is the server's hint; 0 without one.
	RetryAfter time.Duration
	// OutcomeUnknown: the mutation may have happened. Repeated with
	// IdempotencyKey, it has one effect and its outcome is told. The key is
	// empty for a batch, whose commands have one each.
	OutcomeUnknown bool
	IdempotencyKey string

	cause error
}

// FieldError is one field at fault.
type FieldError struct {
	Field, Reason, Allowed string
}

// beside is what a field says beyond the message: servers often put it there
// too, and nobody wants to read it twice.
func (f FieldError) beside(message string) string {
	var s string
	if f.Reason == "" || !strings.Contains(message, f.Reason) {
		if !strings.Contains(message, f.Field) {
			s += "; " + f.Field
		}
		if f.Reason != "" {
			s += ": " + f.Reason
		}
	}
	// The words alone may be in the message by chance: "uncordon" has "cordon".
	if allowed := "allowed: " + f.Allowed; f.Allowed != "" && !strings.Contains(message, allowed) {
		s += " (" + allowed + ")"
	}
	return s
}

// Error is one line: what, where, what is allowed.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Message == "" {
		b.WriteString(e.Code.String())
	}
	for _, f := range e.Fields {
		b.WriteString(f.beside(e.Message))
	}
	if e.OutcomeUnknown {
		b.WriteString("; the outcome is unknown, repeat it with ")
		if e.IdempotencyKey == "" {
			b.WriteString("the same keys") // a batch has one per command
		} else {
			b.WriteString("idempotency key " + e.IdempotencyKey)
		}
	}
	return b.String()
}

// Unwrap returns the error below, for context.Canceled, net errors and such.
func (e *Error) Unwrap() error { return e.cause }

// asError makes an *Error of whatever a call returned.
func asError(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return &Error{Code: connect.CodeOf(err), Message: err.Error(), cause: err}
	}
	e := &Error{Code: ce.Code(), Message: ce.Message(), cause: err}
	for _, d := range ce.Details() {
		value, valueErr := d.Value()
		if valueErr != nil {
			continue // a detail of a newer server
		}
		if detail, ok := value.(*controlv1.ErrorDetail); ok {
			e.setDetail(detail)
		}
	}
	return e
}

func (e *Error) setDetail(d *controlv1.ErrorDetail) {
	e.Reason = d.GetReason()
	e.CurrentVersion = d.GetCurrentVersion()
	e.CurrentETag = d.GetCurrentEtag()
	e.Position = d.GetPosition()
	e.RetryAfter = time.Duration(d.GetRetryAfterMs()) * time.Millisecond
	if d.GetLogTime() != nil {
		e.LogTime = d.GetLogTime().AsTime()
	}
	for _, f := range d.GetFields() {
		e.Fields = append(e.Fields, FieldError{Field: f.GetField(), Reason: f.GetReason(), Allowed: f.GetAllowed()})
	}
}

// verdict is what an attempt's error means for the call.
type verdict int

const (
	// final: the answer, or our own fault.
	final verdict = iota
	// again: nothing happened; another attempt may succeed.
	again
	// unknown: it may have happened; another attempt may succeed.
	unknown
)

// judge decides whether a call goes on. ctx is the call's own: when it is
// done, nothing goes on.
func judge(ctx context.Context, a *attempt, err error) verdict {
	if !a.tried.Load() {
		return final
	}
	if !a.connected.Load() {
		return again
	}
	if ctx.Err() != nil {
		return unknown
	}
	if !connect.IsWireError(err) {
		return judgeLocal(err)
	}
	e := asError(err)
	switch e.Code {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled:
		// Canceled, but not by us: a server that stops.
		return unknown
	case connect.CodeResourceExhausted:
		// Over a limit: refused before anything was decided.
		if e.RetryAfter > 0 {
			return again
		}
	}
	return final
}

// judgeLocal judges an error that no server sent: the connection failed, or
// the answer was cut.
func judgeLocal(err error) verdict {
	switch connect.CodeOf(err) {
	case connect.CodeUnimplemented:
		return final // a bidirectional stream over HTTP/1.1
	case connect.CodeInvalidArgument, connect.CodeResourceExhausted:
		// An answer that ends in the middle has this code too.
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return unknown
		}
		return final
	}
	return unknown
}
