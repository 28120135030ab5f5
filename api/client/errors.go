package client

import (
	"context"
	"errors"
	"fmt"
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
	// IdempotencyKey, it has one effect and its outcome is told.
	OutcomeUnknown bool
	IdempotencyKey string

	cause error
}

// FieldError is one field at fault.
type FieldError struct {
	Field, Reason, Allowed string
}

// Error is one line: what, where, what is allowed.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Message == "" {
		b.WriteString(e.Code.String())
	}
	for i, f := range e.Fields {
		// A server may have put the fields in its message as well.
		if strings.Contains(e.Message, f.Field) {
			continue
		}
		if i == 0 {
			b.WriteString(":")
		} else {
			b.WriteString(";")
		}
		fmt.Fprintf(&b, " %s: %s", f.Field, f.Reason)
		if f.Allowed != "" {
			fmt.Fprintf(&b, " (allowed: %s)", f.Allowed)
		}
	}
	if e.OutcomeUnknown {
		fmt.Fprintf(&b, "; the outcome is unknown, repeat it with idempotency key %s", e.IdempotencyKey)
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
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded:
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
