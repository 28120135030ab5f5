package commands

import (
	"context"
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Command is a wish, named "<context>.<Verb>".
type Command interface {
	CommandName() string
}

// Meta is what a decision knows beside the state and the command.
type Meta struct {
	// Time of the frame that the decision will be in, Unix nanoseconds.
	Time int64
	// Actor is who asks: "node/<id>", "user/<id>", "local/<OS user>".
	Actor string
	// Next is the position of the decision's first event.
	Next events.Position
	// IfVersion is the version that the record must have; 0 means any (A3).
	IfVersion uint64
}

// Request is a command on its way to the sequencer.
type Request struct {
	Command       Command
	Actor         string
	Reason        string
	ChangeTicket  string
	CorrelationID string
	CausationID   string
	// Key is the idempotency key, a UUIDv7; zero for controllers, whose commands
	// are level-triggered.
	Key Key
	// Hash of the canonical request, beside the key: the same key with another
	// hash is refused.
	Hash      events.Hash
	IfVersion uint64
	// DryRun decides and writes nothing.
	DryRun bool
	// Term, if not 0, is the control leader's term that the wish rests on: under
	// another it is not tried. Controllers say it; the same server may lead again
	// before one that stood still goes on, and another may have led meanwhile.
	Term events.Position
}

// Receipt answers a request that was done.
type Receipt struct {
	// Position is the last position of the decision.
	Position events.Position
	// Time of the frame, Unix nanoseconds.
	Time int64
	// Replayed: the same key had this effect before.
	Replayed bool
	// Events of the decision; nil when replayed.
	Events []*eventsv1.Event
	// EventsCut: the request went through another server, and its events were too
	// much for the answer. Those given have their type and no content, and the last
	// ones may be missing.
	EventsCut bool
	DryRun    bool
}

// Submitter takes requests. The error is nil, a [*Rejected], or one that says
// that the outcome is unknown or that nothing was tried; see sequencer.
type Submitter interface {
	Submit(ctx context.Context, r Request) (Receipt, error)
	// SubmitAll submits requests that have nothing to do with each other, in
	// their order, and returns when answer was called once for each, in any order,
	// by this goroutine.
	SubmitAll(ctx context.Context, rs []Request, answer func(i int, r Receipt, err error))
}

// Kind of a rejection: how the API maps it.
type Kind uint8

// The kinds of rejections.
const (
	// Refused: a rule says no (409).
	Refused Kind = iota
	// Invalid: the command itself is wrong, whatever the state (400).
	Invalid
	// NotFound: what the command is about does not exist (404).
	NotFound
	// Conflict: IfVersion does not match (412).
	Conflict
	// Exhausted: a quota is used up (429).
	Exhausted
)

// Rejected is a decider's no. Reasons are lower_snake, documented in the
// context's doc.go, and API.
type Rejected struct {
	Kind    Kind
	Reason  string
	Message string
	// Field that is wrong, and what is allowed there, where one is.
	Field   string
	Allowed string
	// CurrentVersion of the record, with Conflict.
	CurrentVersion uint64
	// LogTime at the decision, Unix nanoseconds, with idempotency_expired and
	// idempotency_ahead.
	LogTime int64
}

func (r *Rejected) Error() string {
	s := r.Reason + ": " + r.Message
	if r.Allowed != "" {
		s += "; allowed: " + r.Allowed
	}
	return s
}

// Refuse makes a rejection of kind Refused.
func Refuse(reason, format string, args ...any) *Rejected {
	return &Rejected{Kind: Refused, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Missing makes a rejection of kind NotFound, with reason "<what>_not_found".
func Missing(what, id string) *Rejected {
	return &Rejected{Kind: NotFound, Reason: what + "_not_found", Message: fmt.Sprintf("%s %q does not exist", what, id)}
}

// BadField makes a rejection of kind Invalid, with reason "invalid_field".
func BadField(field, allowed, format string, args ...any) *Rejected {
	return &Rejected{Kind: Invalid, Reason: "invalid_field", Field: field, Allowed: allowed,
		Message: field + " " + fmt.Sprintf(format, args...)}
}

// CheckVersion refuses with version_mismatch unless meta asks for no version
// or for this one.
func CheckVersion(meta Meta, what, id string, version uint64) error {
	if meta.IfVersion == 0 || meta.IfVersion == version {
		return nil
	}
	return &Rejected{Kind: Conflict, Reason: "version_mismatch", CurrentVersion: version,
		Message: fmt.Sprintf("%s %q has version %d, not %d", what, id, version, meta.IfVersion)}
}
