package server

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect"

	"github.com/omnirelay/omnirelay/api/auth"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/watch"
	"github.com/omnirelay/omnirelay/store"
)

// The one mapping of errors, to codes and to HTTP.
func TestMapping(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   connect.Code
		reason string
		status int
		retry  bool
	}{
		{commands.Refuse("node_cordoned", "no"), connect.CodeFailedPrecondition, "node_cordoned", 409, false},
		{commands.BadField("weight", "more", "is 0"), connect.CodeInvalidArgument, "invalid_field", 400, false},
		{commands.Missing("node", "n1"), connect.CodeNotFound, "node_not_found", 404, false},
		{&commands.Rejected{Kind: commands.Conflict, Reason: "version_mismatch", CurrentVersion: 3}, connect.CodeAborted, "version_mismatch", 412, false},
		{&commands.Rejected{Kind: commands.Exhausted, Reason: "idempotency_quota"}, connect.CodeResourceExhausted, "idempotency_quota", 429, true},
		{sequencer.ErrOverloaded, connect.CodeResourceExhausted, "overloaded", 429, true},
		{sequencer.ErrNotLeader, connect.CodeUnavailable, "no_leader", 503, true},
		{fmt.Errorf("%w: %w", sequencer.ErrOutcomeUnknown, context.DeadlineExceeded), connect.CodeUnavailable, "outcome_unknown", 503, true},
		{sequencer.ErrOlderLeader, connect.CodeUnavailable, "older_leader", 503, true},
		{projections.ErrNotReady, connect.CodeUnavailable, "not_caught_up", 503, true},
		{store.ErrLogFull, connect.CodeUnavailable, "log_full", 503, true},
		{store.ErrClosed, connect.CodeUnavailable, "stopping", 503, true},
		{watch.ErrTooMany, connect.CodeResourceExhausted, "watchers_exhausted", 429, true},
		{&projections.AheadError{Position: 9, Head: 3}, connect.CodeInvalidArgument, "position_ahead", 400, false},
		{&projections.VoidError{Position: 5, Restored: 3, Next: 9}, connect.CodeOutOfRange, "position_void", 410, false},
		{&events.ChainError{Position: 4}, connect.CodeDataLoss, "log_corrupt", 500, false},
		{logMismatch("other"), connect.CodeOutOfRange, "log_mismatch", 410, false},
		{&auth.Error{Header: "Authorization"}, connect.CodeUnauthenticated, "identity_invalid", 401, false},
		{reasoned(connect.CodePermissionDenied, "scope_missing", "no"), connect.CodePermissionDenied, "scope_missing", 403, false},
		{context.Canceled, connect.CodeCanceled, "canceled", 503, false},
		{fmt.Errorf("not tried: %w", context.DeadlineExceeded), connect.CodeDeadlineExceeded, "deadline_exceeded", 503, true},
		{errors.New("disk"), connect.CodeInternal, "internal", 500, false},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			f := failureOf(err)
			if f.code != c.code || f.reason != c.reason || statusOf(f.code, f.reason) != c.status || (f.retry > 0) != c.retry {
				t.Errorf("%v: %s %s %d retry %v, want %s %s %d %v", err, f.code, f.reason, statusOf(f.code, f.reason), f.retry,
					c.code, c.reason, c.status, c.retry)
			}
			if d := f.detail(7); d.Reason != c.reason || d.Position == 0 {
				t.Errorf("%v: detail %v", err, d)
			}
		}
	}
}

func TestParseIfMatch(t *testing.T) {
	for header, want := range map[string]int64{"": 0, "*": 0, `"7"`: 7, ` "12" `: 12} {
		if got, err := parseIfMatch(header); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", header, got, err, want)
		}
	}
	for _, header := range []string{"7", `"x"`, `W/"7"`, `"7", "8"`, `"-1"`, `"0"`} {
		if got, err := parseIfMatch(header); err == nil {
			t.Errorf("%q: %d", header, got)
		}
	}
}

func TestMatchesETag(t *testing.T) {
	for _, c := range []struct {
		header string
		want   bool
	}{{`"7"`, true}, {`W/"7"`, true}, {`"6", "7"`, true}, {"*", true}, {`"77"`, false}, {"", false}, {"7", false}} {
		if got := matchesETag([]string{c.header}, `"7"`); got != c.want {
			t.Errorf("%q: %v", c.header, got)
		}
	}
}
