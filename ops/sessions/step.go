package sessions

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// The grace that every timer gets when authority is gained anew, and the brake.
const (
	Grace         = time.Second
	brakeSessions = 5
	brakeTTLs     = 3
)

// The reasons for not answering a heartbeat.
var (
	// ErrNoAuthority: this server does not lead, or cannot prove it now.
	ErrNoAuthority = errors.New("no_leader: this server cannot answer heartbeats now")
	// ErrExpiring: the session is being closed.
	ErrExpiring = errors.New("session_expiring: the session is being closed")
)

// lease is the timer of one session.
type lease struct {
	session  events.Position
	ttl      time.Duration
	deadline int64 // boot time
	seen     int64 // boot time of the last answered heartbeat; 0 before
	// expiring: a close was asked for and is not definitely refused.
	expiring bool
	// unsure: the outcome of a close is open. It is asked for again until the log
	// says what became of it.
	unsure bool
	// closing is why the session is going to be closed, 0 while it is not.
	closing eventsv1.SessionCloseCause
	heard   bool
	digest  [sha256.Size]byte
	held    []Held
}

// Leases are the timers of all sessions. It has one owner.
type Leases struct {
	gained  uint64
	term    events.Position // of the grant on the log that the marks belong to
	byNode  map[string]*lease
	brake   int64 // boot time until which no session is closed
	braking bool
	resumed events.Position // when a seal was last taken away
	era     settlingEra
	// standing are the ownerships that outlive their session.
	standing map[holder]*standing
}

// NewLeases returns no leases; Sync brings them in.
func NewLeases() *Leases {
	return &Leases{byNode: map[string]*lease{}, standing: map[holder]*standing{}}
}

// Sync takes over the sessions of a model. When authority was gained anew, all
// timers start again. A mark stays as long as the grant does: the close that it
// belongs to may still be stored by this very leader, which lapsed and took the
// register again. Under another grant it is gone: the frame that could hold the
// close was resolved before that grant was decided, and a model with the grant
// shows what became of it.
func (l *Leases) Sync(m *model.Model, gained uint64, now int64) {
	lead, _ := m.Leadership.Scope(events.GlobalScope)
	granted := lead.Term != l.term
	// A seal stopped the closes, so the timers mean nothing when it is taken away.
	anew := granted || gained != l.gained || m.Control.Resumed != l.resumed
	if anew {
		l.gained, l.term, l.brake, l.braking = gained, lead.Term, 0, false
		l.resumed = m.Control.Resumed
	}
	l.era.sync(m, anew, now)
	l.syncStanding(m, anew, now) // first: it takes over from leases whose session is closed
	live := 0
	m.Membership.EachNode(func(n membership.Node) bool {
		if n.Session == 0 {
			return true
		}
		live++
		x := l.byNode[n.NodeID]
		switch {
		case x == nil || x.session != n.Session:
			x = &lease{session: n.Session, ttl: n.TTL, deadline: now + int64(n.TTL)}
			if anew {
				x.deadline += int64(Grace)
			}
			l.byNode[n.NodeID] = x
		case anew:
			x.deadline = now + int64(n.TTL+Grace)
			if granted { // what was said to an earlier term is old
				x.expiring, x.unsure, x.heard = false, false, false
			}
		}
		l.byNode[n.NodeID].closing = n.Closing
		return true
	})
	if live == len(l.byNode) {
		return
	}
	for id, x := range l.byNode {
		if !m.Membership.SessionIs(id, x.session) {
			delete(l.byNode, id)
		}
	}
}

// Has reports whether Sync has nothing to say about this session: its timer runs,
// since authority was last gained.
func (l *Leases) Has(node string, session events.Position, gained uint64) bool {
	x := l.byNode[node]
	return x != nil && x.session == session && l.gained == gained
}

// Beat answers a heartbeat that was received now, against a model that Sync has
// seen or need not see (Has), or says why not. A *commands.Rejected is definite:
// the session is gone.
func (l *Leases) Beat(m *model.Model, hb Heartbeat, now int64) (Answer, error) {
	n, ok := m.Membership.Node(hb.NodeID)
	if !ok || hb.Session == 0 || n.Session != hb.Session {
		return Answer{}, commands.Refuse("session_not_found", "node %q has no session %d now", hb.NodeID, hb.Session)
	}
	if subtle.ConstantTimeCompare(n.SecretHash[:], hb.Secret[:]) != 1 {
		return Answer{}, commands.Refuse("secret_mismatch", "the secret is not the one that session %d of %q was opened with", hb.Session, hb.NodeID)
	}
	if hb.Session < m.Control.StartedAt {
		return Answer{}, commands.Refuse("session_not_found", "session %d of %q ended when the log was restored, at position %d", hb.Session, hb.NodeID, m.Control.StartedAt)
	}
	x := l.byNode[hb.NodeID]
	if x == nil || x.session != hb.Session {
		return Answer{}, ErrExpiring
	}
	if x.expiring || n.Closing != 0 {
		x.hear(hb) // what it has released it has, answered or not
		return Answer{}, ErrExpiring
	}
	// Never sooner than it was: the timer that started when authority was gained
	// also stands for what the leader before may still answer.
	x.deadline, x.seen = max(x.deadline, now+int64(x.ttl)), now
	x.hear(hb)
	return Answer{TTL: x.ttl, WantFull: !x.heard || string(x.digest[:]) != string(hb.Digest)}, nil
}

// hear takes what a node says that it holds.
func (x *lease) hear(hb Heartbeat) {
	if hb.Full {
		x.held, x.digest, x.heard = slices.Clone(hb.Held), Digest(hb.Held), true
	}
}

// Step marks the sessions whose timer ran out and asks for their close, and
// again for those whose outcome is open. next is the boot time at which it
// should be asked again; 0 is when something changes.
func (l *Leases) Step(now int64) (cmds []commands.Command, next int64) {
	if l.braking && now >= l.brake && !l.mostDue(now) {
		l.braking = false // the storm is over; the next one brakes again
	}
	var due, open, forced []string
	for id, x := range l.byNode {
		switch {
		case x.unsure:
			open = append(open, id)
		case x.expiring: // asked for already
		case x.closing != 0 && x.deadline <= now: // as was decided: no brake holds it
			forced = append(forced, id)
		case now >= x.deadline:
			due = append(due, id)
		case next == 0 || x.deadline < next:
			next = x.deadline
		}
	}
	if len(due) > 0 && !l.era.settling && l.brakes(now) {
		due, next = nil, l.brake
	}
	ids := slices.Concat(due, open, forced)
	slices.Sort(ids)
	for _, id := range ids {
		x := l.byNode[id]
		x.expiring = true
		cmds = append(cmds, membership.CloseSession{NodeID: id, Session: x.session, Cause: x.cause()})
	}
	ends, at := l.ending(now)
	cmds, next = append(cmds, ends...), sooner(next, at)
	switch e := l.era; {
	case !e.settling || len(l.byNode) > 0: // no session is newer than the era while it settles
	case now >= e.settled:
		cmds = append(cmds, control.SettleEra{Era: e.number})
	default:
		next = sooner(next, e.settled)
	}
	return cmds, next
}

// cause is what the session's close is said to be for.
func (x *lease) cause() eventsv1.SessionCloseCause {
	if x.closing != 0 {
		return x.closing
	}
	return eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED
}

// sooner is the earlier of two times of which 0 is none.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Answered takes what became of a close. One that was definitely not stored
// clears the mark, with a full timer. With an open outcome the mark stays, and
// the close is asked for again: commands are decided in the order in which they
// were queued, so a later one that is stored or rejected says that the earlier
// one is behind it. That a later one was not tried says nothing of the earlier.
func (l *Leases) Answered(c membership.CloseSession, err error, now int64) {
	x := l.byNode[c.NodeID]
	if x == nil || x.session != c.Session || !x.expiring {
		return
	}
	var rejected *commands.Rejected
	switch {
	case err == nil: // stored: a later model is without the session
		x.unsure = false
	case errors.Is(err, sequencer.ErrOutcomeUnknown):
		x.unsure = true
	case !x.unsure || errors.As(err, &rejected):
		x.expiring, x.unsure, x.deadline = false, false, now+int64(x.ttl+Grace)
	}
}

// brakes reports whether closes wait now. The brake is put on when more than
// half of the sessions are due within one TTL, and holds once: sessions that
// are still silent when it ends are closed.
func (l *Leases) brakes(now int64) bool {
	if l.braking {
		return now < l.brake
	}
	if !l.mostDue(now) {
		return false
	}
	var ttl time.Duration
	for _, x := range l.byNode {
		ttl = max(ttl, x.ttl)
	}
	l.braking, l.brake = true, now+brakeTTLs*int64(ttl)
	return true
}

// mostDue reports whether more than half of at least five sessions were not
// heard for most of their TTL: they would close within one TTL. Those that are
// closed by decision say nothing of the control plane.
func (l *Leases) mostDue(now int64) bool {
	silent, all := 0, 0
	for _, x := range l.byNode {
		if x.closing != 0 {
			continue
		}
		all++
		if x.expiring || x.deadline-now < int64(x.ttl)/2 {
			silent++
		}
	}
	return all >= brakeSessions && 2*silent > all
}

// Braking reports until when closes wait, and whether they do.
func (l *Leases) Braking(now int64) (until int64, on bool) {
	return l.brake, l.braking && now < l.brake
}

// LastSeen is the boot time of the last answered heartbeat of a node.
func (l *Leases) LastSeen(node string) (int64, bool) {
	x := l.byNode[node]
	if x == nil || x.seen == 0 {
		return 0, false
	}
	return x.seen, true
}

// Deadline is the boot time at which a node's session expires.
func (l *Leases) Deadline(node string) (int64, bool) {
	x := l.byNode[node]
	if x == nil {
		return 0, false
	}
	return x.deadline, true
}

// String shows the leases, for transcripts and logs.
func (l *Leases) String() string {
	ids := make([]string, 0, len(l.byNode))
	for id := range l.byNode {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var b strings.Builder
	for _, id := range ids {
		x := l.byNode[id]
		fmt.Fprintf(&b, "%s session=%d deadline=%s expiring=%t\n", id, x.session, time.Duration(x.deadline), x.expiring)
	}
	return b.String()
}
