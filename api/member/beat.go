package member

import (
	"context"
	"errors"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// maxBeats bounds the heartbeats in flight: with one each TTL/4 and 7/8 TTL to
// live, more are not needed to renew a lease. One that finds no room is left
// out.
const maxBeats = 4

// The waits between the attempts of one heartbeat.
const (
	beatRetryMin = 20 * time.Millisecond
	beatRetryMax = 500 * time.Millisecond
)

// beats are the heartbeats in flight. Full ones go one after the other: of two,
// the older could be the last that the server hears.
type beats struct {
	out  int
	full bool
	// again: the set changed while a full one was out.
	again bool
	sent  int64 // boot time of the last
}

// beat sends a heartbeat.
func (l *loop) beat(b Beat) {
	if b.Full && l.beats.full {
		l.beats.again = true
		if l.now()-l.beats.sent < int64(l.ttl)/4 {
			return // the lease has time until the one that is out returns
		}
		b.Full = false
	}
	if l.beats.out >= maxBeats {
		l.beats.again = l.beats.again || b.Full
		return
	}
	l.asked()
	l.beats.out++
	l.beats.sent = l.now()
	l.beats.full = l.beats.full || b.Full
	req := &controlv1.HeartbeatRequest{
		NodeId: l.m.cfg.NodeID, SessionId: b.Session, Secret: l.store.secret,
		HeldDigest: digestOf(b.Held), Full: b.Full,
	}
	if b.Full {
		req.Held = heldProto(b.Held)
	}
	// An answer that comes later renews nothing.
	life := l.ttl - time.Duration(margin(int64(l.ttl)))
	l.m.tasks.spawn(func(ctx context.Context) {
		in, position := l.m.heartbeat(ctx, req, life)
		l.m.note(func(l *loop) { l.beaten(req.GetFull(), in, position) })
	})
}

// beaten takes what became of a heartbeat; in is nil when nothing did.
func (l *loop) beaten(full bool, in Input, position int64) {
	l.beats.out--
	if full {
		l.beats.full = false
	}
	l.store.note(position)
	if lost, ok := in.(SessionLost); ok && !l.closing { // a leave may overtake a heartbeat
		l.m.log.Warn("session lost", "session", lost.Session)
	}
	if in != nil {
		l.answered()
		l.step(in)
	}
	if l.beats.again && !l.beats.full && l.core.Session() != 0 {
		l.beats.again = false
		l.beat(Beat{Session: l.core.Session(), Held: l.core.Held(), Full: true})
	}
}

// heartbeat sends a heartbeat until it is answered or its life is over. Each
// attempt counts the lease from its own sending.
func (m *Member) heartbeat(ctx context.Context, req *controlv1.HeartbeatRequest, life time.Duration) (Input, int64) {
	ctx, cancel := context.WithTimeout(ctx, life)
	defer cancel()
	waits := waits{min: beatRetryMin, max: beatRetryMax}
	for {
		sentAt := m.clock()
		res, err := m.client.Sessions.Heartbeat(ctx, req)
		if err == nil && res.GetTtlMs() > 0 {
			return Answered{
				Session: req.GetSessionId(), TTL: time.Duration(res.GetTtlMs()) * time.Millisecond,
				SentAt: sentAt, WantFull: res.GetWantFull(),
			}, res.GetPosition()
		}
		if sessionGone(err) {
			m.log.Debug("heartbeat refused", "session", req.GetSessionId(), "error", err)
			return SessionLost{Session: req.GetSessionId()}, 0
		}
		if !waits.pause(ctx) {
			m.log.Debug("heartbeat unanswered", "session", req.GetSessionId(), "error", err)
			return nil, 0
		}
	}
}

// sessionGone reports whether the control leader said that the session is no
// more, or is another's.
func sessionGone(err error) bool {
	switch reasonOf(err) {
	case "session_not_found", "secret_mismatch":
		return true
	}
	return false
}

// reasonOf is the reason that a server gave; empty without one.
func reasonOf(err error) string {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
