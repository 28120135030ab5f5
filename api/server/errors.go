package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/omnirelay/omnirelay/api/auth"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/watch"
	"github.com/omnirelay/omnirelay/store"
)

// This file is the one mapping of errors to codes. An error of this package is
// a [*failure]; what comes from below is turned into one by failureOf.

// failure is an error with all that an answer says of it.
type failure struct {
	code    connect.Code
	reason  string
	message string
	fields  []*controlv1.FieldViolation
	// current is the version that the record has, logTime log time in Unix
	// nanoseconds; 0 is not said.
	current  uint64
	logTime  int64
	position events.Position
	retry    time.Duration
	cause    error
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.cause }

// errNotModified is the answer to a caller that has the present state already.
var errNotModified = errors.New("not modified")

// reasoned is an error with a code and a reason.
func reasoned(code connect.Code, reason, format string, args ...any) *failure {
	return &failure{code: code, reason: reason, message: fmt.Sprintf(format, args...)}
}

// badField is an error of one field of the request.
func badField(field, allowed, format string, args ...any) *failure {
	what := fmt.Sprintf(format, args...)
	f := reasoned(connect.CodeInvalidArgument, "invalid_field", "%s %s; allowed: %s", field, what, allowed)
	f.fields = []*controlv1.FieldViolation{{Field: field, Reason: what, Allowed: allowed}}
	return f
}

func notFound(what, id string) *failure {
	return reasoned(connect.CodeNotFound, what+"_not_found", "%s %q does not exist", what, id)
}

func logMismatch(format string, args ...any) *failure {
	return reasoned(connect.CodeOutOfRange, "log_mismatch", format, args...)
}

func internal(err error) *failure {
	return &failure{code: connect.CodeInternal, reason: "internal", message: err.Error(), cause: err}
}

// unavailable is an error that a retry may mend.
func unavailable(reason, format string, args ...any) *failure {
	f := reasoned(connect.CodeUnavailable, reason, format, args...)
	f.retry = RetryAfter
	return f
}

// tooMany is a refusal for a limit that passes.
func tooMany(reason, format string, args ...any) *failure {
	f := reasoned(connect.CodeResourceExhausted, reason, format, args...)
	f.retry = RetryAfter
	return f
}

// failureOf maps any error of the layers below.
func failureOf(err error) *failure {
	var own *failure
	var rejected *commands.Rejected
	var noIdentity *auth.Error
	var ahead *projections.AheadError
	var void *projections.VoidError
	var chain *events.ChainError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &rejected):
		return rejection(rejected)
	case errors.As(err, &noIdentity):
		f := reasoned(connect.CodeUnauthenticated, "identity_invalid", "%s", err)
		f.fields = []*controlv1.FieldViolation{{Field: noIdentity.Header, Reason: noIdentity.Problem, Allowed: noIdentity.Allowed}}
		return f
	case errors.As(err, &ahead):
		f := badField("position", "1 to "+ahead.Head.String(), "%d is beyond the head", ahead.Position)
		f.reason, f.position = "position_ahead", ahead.Head
		return f
	case errors.As(err, &void):
		f := reasoned(connect.CodeOutOfRange, "position_void", "%s", err)
		f.position = void.Next
		return f
	case errors.As(err, &chain):
		f := reasoned(connect.CodeDataLoss, "log_corrupt", "%s", err)
		f.position = chain.Position
		return f
	}
	return machineFailure(err)
}

// machineFailure maps errors that no rule gave.
func machineFailure(err error) *failure {
	var f *failure
	var wire *connect.Error
	switch {
	case errors.As(err, &wire):
		return &failure{code: wire.Code(), reason: wire.Code().String(), message: wire.Message(), cause: err}
	case errors.Is(err, sequencer.ErrOverloaded):
		f = tooMany("overloaded", "%s", err)
	case errors.Is(err, watch.ErrTooMany):
		f = tooMany("watchers_exhausted", "this server has %d watchers of this kind, which is its limit", MaxWatchers)
	case errors.Is(err, sequencer.ErrOutcomeUnknown):
		f = unavailable("outcome_unknown", "%s", sequencer.ErrOutcomeUnknown)
		f.retry = LeaderRetry
	case errors.Is(err, sequencer.ErrNotLeader):
		f = unavailable("no_leader", "%s", err)
		f.retry = LeaderRetry
	case errors.Is(err, sequencer.ErrOlderLeader):
		f = unavailable("older_leader", "%s", err)
	case errors.Is(err, projections.ErrNotReady):
		f = unavailable("not_caught_up", "this server has not caught up with the log")
	case errors.Is(err, store.ErrLogFull):
		f = unavailable("log_full", "%s", err)
	case errors.Is(err, store.ErrUnavailable):
		f = unavailable("log_unavailable", "%s", err)
		f.retry = LeaderRetry
	case errors.Is(err, store.ErrClosed):
		f = unavailable("stopping", "this server is stopping")
	case errors.Is(err, context.DeadlineExceeded):
		f = &failure{code: connect.CodeDeadlineExceeded, reason: "deadline_exceeded", message: err.Error(), retry: RetryAfter}
	case errors.Is(err, context.Canceled):
		f = &failure{code: connect.CodeCanceled, reason: "canceled", message: "the caller went away"}
	default:
		f = internal(err)
	}
	f.cause = err
	return f
}

// rejection maps a decider's no.
func rejection(r *commands.Rejected) *failure {
	f := &failure{reason: r.Reason, message: r.Message, current: r.CurrentVersion, logTime: r.LogTime, cause: r}
	switch r.Kind {
	case commands.Invalid:
		f.code = connect.CodeInvalidArgument
	case commands.NotFound:
		f.code = connect.CodeNotFound
	case commands.Conflict:
		f.code = connect.CodeAborted
	case commands.Exhausted:
		f.code, f.retry = connect.CodeResourceExhausted, RetryAfter
	default:
		f.code = connect.CodeFailedPrecondition
	}
	if r.Field != "" || r.Allowed != "" {
		f.fields = []*controlv1.FieldViolation{{Field: r.Field, Reason: r.Message, Allowed: r.Allowed}}
	}
	return f
}

// detail is what goes over the wire beside code and message.
func (f *failure) detail(head events.Position) *controlv1.ErrorDetail {
	d := &controlv1.ErrorDetail{
		Reason: f.reason, Fields: f.fields, CurrentVersion: int64(f.current),
		Position: int64(f.position), RetryAfterMs: f.retry.Milliseconds(),
	}
	if f.position == 0 {
		d.Position = int64(head)
	}
	if f.logTime != 0 {
		d.LogTime = timestamppb.New(time.Unix(0, f.logTime))
	}
	if f.current != 0 {
		d.CurrentEtag = versionETag(int64(f.current))
	}
	return d
}

// asConnect makes the error that Connect sends.
func (s *Server) asConnect(err error) *connect.Error {
	f := failureOf(err)
	e := connect.NewError(f.code, f) // its text is the message, and REST finds it inside
	_, head := s.logName()
	if d, err := connect.NewErrorDetail(f.detail(head)); err == nil {
		e.AddDetail(d)
	}
	if f.retry > 0 {
		e.Meta().Set(headerRetryAfter, retrySeconds(f.retry))
	}
	return e
}

// retrySeconds is a Retry-After: whole seconds, at least one.
func retrySeconds(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}

// notReady names what a server waits for.
func notReady(waiting []string) *failure {
	return unavailable("not_ready", "this server is not ready; it waits for: %s", strings.Join(waiting, ", "))
}
