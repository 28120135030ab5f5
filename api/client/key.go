package client

import (
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// newKey makes an idempotency key: a UUIDv7 dated now.
func newKey() string {
	return uuid.Must(uuid.NewV7()).String() // fails only when the system has no randomness
}

// KeyAt makes a key dated t, the log's time, for a client whose clock is off.
func KeyAt(t time.Time) string {
	id := uuid.Must(uuid.NewV7())
	ms := uint64(t.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	return id.String()
}

// key is the idempotency key of one call over its attempts.
type key struct {
	mutation *controlv1.Mutation
	// own: made here, not by the caller, so that it may be replaced.
	own bool
	// unknown: an attempt with this key ended unknown; it is kept for good.
	unknown bool
	// replaced: a second refusal of a key dated by the log is an answer.
	replaced bool
}

// newKeyIn puts a key in the mutation at slot, unless the caller did. A dry run
// gets one too: it is checked as the real one would be.
func newKeyIn(slot **controlv1.Mutation) *key {
	m := &controlv1.Mutation{}
	if *slot != nil {
		m = proto.CloneOf(*slot)
	}
	*slot = m
	k := &key{mutation: m}
	if m.GetIdempotencyKey() == "" {
		k.own = true
		m.IdempotencyKey = newKey()
	}
	return k
}

// redate replaces a key that was refused for its date; false when it must not.
func (k *key) redate(e *Error) bool {
	if e.Reason != reasonExpired && e.Reason != reasonAhead {
		return false
	}
	if !k.own || k.unknown || k.replaced || e.LogTime.IsZero() {
		return false
	}
	k.replaced = true
	k.mutation.IdempotencyKey = KeyAt(e.LogTime)
	return true
}

// setUnknown notes that an attempt ended unknown. A nil key is a read's.
func (k *key) setUnknown() {
	if k != nil {
		k.unknown = true
	}
}

// mark tells the caller of an error that an attempt ended unknown, and the key
// that finds out.
func (k *key) mark(e *Error) {
	if k != nil && k.unknown {
		e.OutcomeUnknown = true
		e.IdempotencyKey = k.mutation.GetIdempotencyKey()
	}
}

// settle is the error of a call whose last attempt was answered. A rule's
// answer settles earlier attempts too: the server looks the key up first, and
// would have given back what they did. Any other answer says nothing of them,
// or, when it is the server's own failure, of this one.
func (k *key) settle(e *Error) *Error {
	if k == nil {
		return e
	}
	switch e.Code {
	case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeAlreadyExists,
		connect.CodeFailedPrecondition, connect.CodeAborted, connect.CodeOutOfRange:
		if e.Reason != reasonExpired && e.Reason != reasonAhead {
			return e
		}
	case connect.CodeInternal, connect.CodeUnknown, connect.CodeDataLoss, connect.CodeCanceled:
		k.unknown = true
	}
	k.mark(e)
	return e
}
