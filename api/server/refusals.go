package server

import (
	"context"
	"errors"
	"slices"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
)

// Every refused call leaves a record (A6). What a decider refuses the sequencer
// reports, with the state that it was refused on; this file reports what never
// came to a decision, and unheard.go what never came to the chain.

// Refusals keeps the audit of refused calls.
type Refusals interface {
	// Refused takes the record of a refused call, which is then the keeper's. It
	// does not wait.
	Refused(r *controlv1.Refusal)
	// List returns up to limit records that match, with ids from a first one on,
	// the oldest first, and the id to go on from; 0 when there are no more.
	List(ctx context.Context, from int64, limit int, match func(*controlv1.Refusal) bool) (page []*controlv1.Refusal, next int64, err error)
}

// decided is a rejection by a decider, which has its record already.
type decided struct{ error }

// Unwrap lets the mapping of errors see through.
func (d decided) Unwrap() error { return d.error }

// markDecided marks what came back from the submitter.
func markDecided(err error) error {
	var rejected *commands.Rejected
	if errors.As(err, &rejected) {
		return decided{err}
	}
	return err
}

// refused records an error of a call, if it is a refusal that has no record yet.
// msg is the request; nil before there was one.
func (s *Server) refused(c *call, m *method, msg proto.Message, err error) {
	var recorded decided
	if s.deps.Refusals == nil || errors.As(err, &recorded) {
		return
	}
	f := failureOf(err)
	req, mutates := msg.(mutating)
	if !isRefusal(f.code, mutates) {
		return
	}
	position := f.position
	if position == 0 {
		_, position = s.logName()
	}
	r := &controlv1.Refusal{
		Time: timestamppb.Now(), Position: int64(position), Actor: c.identity.Actor, Command: m.name,
		Code: f.reason, Message: f.message, CorrelationId: correlation(c, nil), Count: 1,
	}
	if mutates {
		describe(r, c, m, req)
	}
	s.deps.Refusals.Refused(r)
}

// describe adds what the caller gave, as far as it has the form of what may be
// stored.
func describe(r *controlv1.Refusal, c *call, m *method, req mutating) {
	if actor, err := actorOf(c, m.scope, req); err == nil && c.identity.Actor != "" {
		r.Actor = actor
	}
	if mutation := req.GetMutation(); validateMutation(mutation) == nil {
		r.Reason, r.ChangeTicket, r.DryRun = mutation.GetReason(), mutation.GetChangeTicket(), mutation.GetDryRun()
		r.CorrelationId = correlation(c, mutation)
	}
}

// isRefusal tells a no from a failure of the machine. A read of what does not
// exist is answered; a command about it is refused.
func isRefusal(code connect.Code, mutates bool) bool {
	switch code {
	case connect.CodeInvalidArgument, connect.CodeUnauthenticated, connect.CodePermissionDenied,
		connect.CodeFailedPrecondition, connect.CodeAlreadyExists, connect.CodeAborted,
		connect.CodeOutOfRange, connect.CodeResourceExhausted:
		return true
	case connect.CodeNotFound:
		return mutates
	}
	return false
}

func (s *Server) listRefusals(ctx context.Context, q *controlv1.ListRefusalsRequest) (*controlv1.ListRefusalsResponse, error) {
	if s.deps.Refusals == nil {
		return nil, reasoned(connect.CodeUnimplemented, "refusals_not_kept", "this server keeps no records of refused calls")
	}
	_, head := s.logName()
	match := func(r *controlv1.Refusal) bool {
		return matches(q.Actor, r.Actor) && matches(q.Code, r.Code) &&
			matches(q.Command, r.Command) && matches(q.CorrelationId, r.CorrelationId)
	}
	page, next, err := s.deps.Refusals.List(ctx, q.From, pageSize(q.Limit), match)
	if err != nil {
		return nil, err
	}
	return &controlv1.ListRefusalsResponse{Refusals: page, NextFrom: next, Position: int64(head)}, nil
}

// matches reports whether a value passes a filter; an empty filter is none.
func matches(filter, value string) bool { return filter == "" || filter == value }

// bindRefusals reads the parameters of the audit of refused calls. A page token
// is the id where the page begins.
func bindRefusals(x *exchange, q *controlv1.ListRefusalsRequest) error {
	x.q.flag("refused")
	q.From, q.Limit = x.q.position("from"), x.q.count("limit", MaxPage)
	if token := x.q.position("pageToken"); token != 0 {
		q.From = token
	}
	if size := x.q.count("pageSize", MaxPage); size != 0 {
		q.Limit = size
	}
	q.Actor, q.Code = x.q.text("actor"), x.q.text("code")
	q.Command, q.CorrelationId = x.q.text("command"), x.q.text("correlationId")
	return nil
}

// auditRoute is one path with two lists: what was decided, and with refused=true
// what was not.
func auditRoute(done, refused func(*exchange)) func(*exchange) {
	return func(x *exchange) {
		if slices.Contains(x.q.values["refused"], "true") {
			refused(x)
			return
		}
		done(x)
	}
}

// flag is a parameter that is true or false, or not given.
func (q *query) flag(name string) {
	switch value := q.text(name); value {
	case "true", "false":
	case "":
		q.empty(name)
	default:
		q.fail(badField(name, "true, false", "is %.80q", value))
	}
}
