package member

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/omnirelay/omnirelay/commands/leadership"
)

// FencingToken says what somebody acts for, and with which fence.
type FencingToken struct {
	// Scope is what is led; of a shard it is shard/<namespace>/<id>.
	Scope string
	// Fence is above every fence that the scope was held with before.
	Fence int64
}

// String is "<scope> fence <fence>".
func (t FencingToken) String() string { return fmt.Sprintf("%s fence %d", t.Scope, t.Fence) }

// check refuses what no grant can have been.
func (t FencingToken) check() error {
	if err := leadership.CheckScope(t.Scope); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidFence, err)
	}
	if t.Fence < 1 {
		return fmt.Errorf("%w: fence of %s is %d (allowed: the fence of a grant, 1 or more)", ErrInvalidFence, t.Scope, t.Fence)
	}
	return nil
}

// Right is what may be acted for while it lasts: a [*Leadership] or an
// [Ownership].
type Right interface {
	// Token is what resources check.
	Token() FencingToken
	// Check returns nil while the holder may act. It looks at the clock itself.
	Check() error
	// Permit ends when the holder may act no more.
	Permit() context.Context
}

var (
	_ Right = (*Leadership)(nil)
	_ Right = Ownership{}
)

// Token is the scope and its fence.
func (l *Leadership) Token() FencingToken { return FencingToken{Scope: l.Scope, Fence: l.Fence} }

// Permit is Context: a leader has nothing left to do when it leads no more.
func (l *Leadership) Permit() context.Context { return l.ctx }

// Token is the shard's scope, shard/<namespace>/<id>, and the fence.
func (o Ownership) Token() FencingToken {
	return FencingToken{Scope: "shard/" + o.Namespace + "/" + strconv.FormatUint(uint64(o.Shard), 10), Fence: o.Fence}
}

// What a resource's guard says no with, beside [*StaleFenceError].
var (
	// ErrInvalidFence: no scope, or no fence, that anybody can have been granted.
	ErrInvalidFence = errors.New("member: invalid fencing token")
	// ErrFenceBusy: work that a lower fence began has not ended. A retry helps.
	ErrFenceBusy = errors.New("member: work of a lower fence has not ended yet")
	// ErrFenceNotKept: the fence could not be made durable. A retry may help.
	ErrFenceNotKept = errors.New("member: the fence could not be kept")
	// ErrTooManyScopes: the guard knows as many scopes as it may.
	ErrTooManyScopes = errors.New("member: too many scopes")
)

// StaleFenceError refuses a fence that is lower than one seen before for its
// scope (L3): who has it leads no more, whatever it believes.
type StaleFenceError struct {
	Scope string
	Fence int64
	// Highest is the highest that was seen.
	Highest int64
}

// Error says what is allowed.
func (e *StaleFenceError) Error() string {
	return fmt.Sprintf("member: fence %d of %s is stale (allowed: %d or higher)", e.Fence, e.Scope, e.Highest)
}

type tokenKey struct{}

// TokenOf is the token that the operation of this context was admitted with, by
// [FenceGuard.Do] or the middleware.
func TokenOf(ctx context.Context) (FencingToken, bool) {
	t, ok := ctx.Value(tokenKey{}).(FencingToken)
	return t, ok
}
