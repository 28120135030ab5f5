package member

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// How a fencing token travels, over HTTP and Connect alike.
const (
	HeaderFenceScope = "X-Mesh-Scope"
	HeaderFence      = "X-Mesh-Fence"
	// HeaderHighestFence is in the answer that refuses a stale fence.
	HeaderHighestFence = "X-Mesh-Highest-Fence"
)

// DefaultFenceWait is how long middleware lets a request wait for operations of
// lower fences.
const DefaultFenceWait = 10 * time.Second

// fenceRetry is the hint that goes with refusals that pass.
const fenceRetry = time.Second

// errWrongScope: the token is of another scope than the resource.
var errWrongScope = errors.New("member: a token of another scope")

// SetFence writes a token to the headers of a request. It checks nothing; a
// request that goes by [FenceTransport] or [FenceClientInterceptor] needs it not.
func SetFence(h http.Header, t FencingToken) {
	h.Set(HeaderFenceScope, t.Scope)
	h.Set(HeaderFence, strconv.FormatInt(t.Fence, 10))
}

// fenceProblem is a token that is missing or none; it names the header.
type fenceProblem struct{ header, problem, allowed string }

func (p *fenceProblem) Error() string {
	return fmt.Sprintf("member: %s %s (allowed: %s)", p.header, p.problem, p.allowed)
}

func (p *fenceProblem) Unwrap() error { return ErrInvalidFence }

// readFence reads the token of a request; given is false when there is none at
// all.
func readFence(h http.Header) (t FencingToken, given bool, err error) {
	scopes, fences := h.Values(HeaderFenceScope), h.Values(HeaderFence)
	switch {
	case len(scopes) == 0 && len(fences) == 0:
		return t, false, nil
	case len(scopes) != 1:
		return t, true, &fenceProblem{HeaderFenceScope, fmt.Sprintf("is there %d times", len(scopes)), "once, beside " + HeaderFence}
	case len(fences) != 1:
		return t, true, &fenceProblem{HeaderFence, fmt.Sprintf("is there %d times", len(fences)), "once, beside " + HeaderFenceScope}
	}
	t.Scope = scopes[0]
	if t.Fence, err = strconv.ParseInt(fences[0], 10, 64); err != nil || t.Fence < 1 {
		return t, true, &fenceProblem{HeaderFence, fmt.Sprintf("is %.40q", fences[0]), "the fence of a grant, a number from 1"}
	}
	if t.check() != nil {
		return t, true, &fenceProblem{HeaderFenceScope, fmt.Sprintf("is %.40q", t.Scope), "the name of a scope, for example jobs/report"}
	}
	return t, true, nil
}

// wantFence reads the token that a request must have, for the scope that its
// resource belongs to; "" is any. given is false when it has none and may.
func wantFence(h http.Header, scope string, optional bool) (t FencingToken, given bool, err error) {
	t, given, err = readFence(h)
	switch {
	case err != nil:
		return t, given, err
	case !given && !optional:
		return t, false, &fenceProblem{HeaderFence, "is missing", "the fence that the caller holds, with its scope in " + HeaderFenceScope}
	case given && scope != "" && t.Scope != scope:
		return t, true, fmt.Errorf("%w: %s %q (allowed: %s)", errWrongScope, HeaderFenceScope, t.Scope, scope)
	}
	return t, given, nil
}

// fenceRefusal is how a guard's no is told.
type fenceRefusal struct {
	code   connect.Code
	status int
	detail *controlv1.ErrorDetail
	stale  *StaleFenceError
	cause  error
}

// refuseFence maps a guard's error to codes, as the API maps its own.
func refuseFence(err error) *fenceRefusal {
	r := &fenceRefusal{cause: err, detail: &controlv1.ErrorDetail{}}
	var problem *fenceProblem
	switch {
	case errors.As(err, &r.stale):
		r.code, r.status, r.detail.Reason = connect.CodeFailedPrecondition, http.StatusConflict, "stale_fence"
		r.field(HeaderFence, fmt.Sprintf("is %d", r.stale.Fence), fmt.Sprintf("%d or higher", r.stale.Highest))
	case errors.Is(err, errWrongScope):
		r.code, r.status, r.detail.Reason = connect.CodeFailedPrecondition, http.StatusConflict, "wrong_scope"
	case errors.As(err, &problem):
		r.code, r.status, r.detail.Reason = connect.CodeInvalidArgument, http.StatusBadRequest, "invalid_field"
		r.field(problem.header, problem.problem, problem.allowed)
	case errors.Is(err, ErrInvalidFence):
		r.code, r.status, r.detail.Reason = connect.CodeInvalidArgument, http.StatusBadRequest, "invalid_field"
	case errors.Is(err, ErrTooManyScopes):
		r.code, r.status, r.detail.Reason = connect.CodeResourceExhausted, http.StatusTooManyRequests, "scopes_exhausted"
		r.detail.RetryAfterMs = fenceRetry.Milliseconds()
	case errors.Is(err, ErrFenceBusy):
		r.code, r.status, r.detail.Reason = connect.CodeUnavailable, http.StatusServiceUnavailable, "fence_busy"
		r.detail.RetryAfterMs = fenceRetry.Milliseconds()
	default: // ErrFenceNotKept
		r.code, r.status, r.detail.Reason = connect.CodeUnavailable, http.StatusServiceUnavailable, "fence_not_kept"
		r.detail.RetryAfterMs = fenceRetry.Milliseconds()
	}
	return r
}

func (r *fenceRefusal) field(name, problem, allowed string) {
	r.detail.Fields = append(r.detail.Fields, &controlv1.FieldViolation{Field: name, Reason: problem, Allowed: allowed})
}

// describe writes to the headers of the answer what a program acts on.
func (r *fenceRefusal) describe(h http.Header) {
	if r.stale != nil {
		SetFence(h, FencingToken{Scope: r.stale.Scope, Fence: r.stale.Fence})
		h.Set(HeaderHighestFence, strconv.FormatInt(r.stale.Highest, 10))
	}
	if r.detail.GetRetryAfterMs() > 0 {
		h.Set("Retry-After", strconv.FormatInt(r.detail.GetRetryAfterMs()/1000, 10))
	}
}

// StaleFence tells whether a resource refused a request for its fence: of the
// headers of an HTTP answer, or of the Meta of a [connect.Error].
func StaleFence(h http.Header) (*StaleFenceError, bool) {
	highest, err := strconv.ParseInt(h.Get(HeaderHighestFence), 10, 64)
	t, given, tokenErr := readFence(h)
	if err != nil || tokenErr != nil || !given {
		return nil, false
	}
	return &StaleFenceError{Scope: t.Scope, Fence: t.Fence, Highest: highest}, true
}
