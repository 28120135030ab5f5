package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// The waits between two attempts to open a session or to leave.
const (
	reopenMin = 50 * time.Millisecond
	reopenMax = 2 * time.Second
)

// open asks for a session; one question is out at a time. All attempts until an
// answer carry one key: one that was long on its way then opens nothing, and a
// repeated one is told what the first one opened.
func (l *loop) open() {
	if l.opening {
		return
	}
	l.opening, l.openAt = true, 0
	if l.openKey == "" {
		key, err := uuid.NewV7()
		if err != nil {
			l.fail(fmt.Errorf("member: idempotency key: %w", err))
			return
		}
		l.openKey, l.openSent, l.openBefore = key.String(), l.now(), l.store.newest()
	}
	cfg := l.m.cfg
	req := &controlv1.OpenSessionRequest{
		NodeId: cfg.NodeID, Role: cfg.Role, Region: cfg.Region, Zone: cfg.Zone, Weight: cfg.Weight,
		Labels: cfg.Labels, MeshVersion: cfg.Version, Secret: l.store.secret, Incarnation: l.store.incarnation,
		Mutation: &controlv1.Mutation{Reason: "member joins", IdempotencyKey: l.openKey},
	}
	l.m.tasks.spawn(func(ctx context.Context) {
		res, err := l.m.client.Sessions.Open(ctx, req)
		l.m.note(func(l *loop) { l.opened(res, err) })
	})
}

func (l *loop) opened(res *controlv1.OpenSessionResponse, err error) {
	l.opening = false
	if err != nil {
		l.refused(err)
		return
	}
	if res.GetTtlMs() <= 0 {
		l.fail(fmt.Errorf("member: session %d has a time to live of %d ms (allowed: more than 0)", res.GetSessionId(), res.GetTtlMs()))
		return
	}
	if err := l.store.accept(res.GetLog(), res.GetLogId(), res.GetPosition(), l.openBefore); err != nil {
		l.fail(err)
		return
	}
	l.openWaits.reset()
	l.takenSince, l.openKey = 0, ""
	l.ttl = time.Duration(res.GetTtlMs()) * time.Millisecond
	l.log.Info("session opened", "session", res.GetSessionId(), "ttl", l.ttl, "log", res.GetLog())
	l.step(Opened{Session: res.GetSessionId(), TTL: l.ttl, SentAt: l.openSent, Position: res.GetPosition()})
	if !l.following {
		l.following = true
		l.m.tasks.spawn(l.m.feed)
	}
}

// refused decides whether a session is asked for again.
func (l *loop) refused(err error) {
	var e *client.Error
	switch {
	case l.stopping:
		l.left = l.core.Session() == 0 // it was not needed any more
	case errors.As(err, &e) && !e.LogTime.IsZero() && (e.Reason == "idempotency_expired" || e.Reason == "idempotency_ahead"):
		// This clock is not the log's. Should the old key still take effect, its
		// session is of this very process and replaces none.
		l.openKey, l.openSent = client.KeyAt(e.LogTime), l.now()
		l.openAt = l.now() + int64(l.openWaits.next())
	case passing(err):
		l.log.Info("the control plane opens no sessions now, asking again", "reason", reasonOf(err))
		l.openAt = l.now() + int64(l.openWaits.next())
	case reasonOf(err) == "session_exists":
		if l.takenSince == 0 {
			l.takenSince = l.now()
			l.log.Warn("another process has this node id, waiting for its session to end", "wait", l.m.cfg.TakeoverWait, "error", err)
		}
		if l.now()-l.takenSince >= int64(l.m.cfg.TakeoverWait) {
			l.fail(fmt.Errorf("%w, or had it with another data directory: %w (allowed: a node id of its own, or to stop the other)", ErrNodeTaken, err))
			return
		}
		l.openAt = l.now() + int64(l.openWaits.next())
	case errors.As(err, &e) && hopeless(e.Code):
		l.fail(fmt.Errorf("member: the mesh refused node %s: %w", l.m.cfg.NodeID, err))
	default:
		l.log.Warn("no session yet", "error", err)
		l.openAt = l.now() + int64(l.openWaits.next())
	}
}

// passing reports whether a rule refused what it will take later: the log is
// sealed, or it was restored and leases of before may live.
func passing(err error) bool {
	switch reasonOf(err) {
	case "log_sealed", "era_settling":
		return true
	}
	return false
}

// hopeless reports whether asking again would be in vain.
func hopeless(code connect.Code) bool {
	switch code {
	case connect.CodeInvalidArgument, connect.CodeNotFound, connect.CodeAlreadyExists, connect.CodeFailedPrecondition,
		connect.CodePermissionDenied, connect.CodeUnauthenticated, connect.CodeUnimplemented:
		return true
	}
	return false
}

// closeSession tells the mesh that this node left; everything is released.
func (l *loop) closeSession(session int64) {
	if session == 0 {
		l.left = !l.opening // else what is being opened is closed first
		return
	}
	if l.closing || l.now() < l.closeAt {
		return
	}
	// What the session leads must have ended here before it ends there (L1).
	l.closing, l.sealed, l.epoch = true, true, nil
	l.asked()
	l.m.lease.end(ErrReleased)
	req := &controlv1.LeaveRequest{
		NodeId: l.m.cfg.NodeID, SessionId: session, Secret: l.store.secret,
		Mutation: &controlv1.Mutation{Reason: "member leaves"},
	}
	l.m.tasks.spawn(func(ctx context.Context) {
		_, err := l.m.client.Sessions.Leave(ctx, req)
		l.m.note(func(l *loop) { l.closed(session, err) })
	})
}

func (l *loop) closed(session int64, err error) {
	l.closing = false
	var e *client.Error
	if err != nil && !sessionGone(err) && (passing(err) || !(errors.As(err, &e) && hopeless(e.Code))) {
		if l.now() < l.core.LeaseUntil() {
			l.closeAt = l.now() + int64(l.openWaits.next())
			return
		}
		l.log.Warn("the leave was not answered: the session ends by its time to live", "session", session, "error", err)
		l.left = true
		return
	}
	l.log.Info("left the mesh", "session", session)
	l.left = true
}
