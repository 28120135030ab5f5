package member

import (
	"context"
	"errors"
	"iter"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Leadership is the right to lead a scope, until it ends. It does not come back:
// after a lease that was answered too late, campaign again.
type Leadership struct {
	Scope string
	Term  int64
	// Fence is what resources check; it rises with each grant.
	Fence int64

	ctx    context.Context
	cancel context.CancelCauseFunc
	// lapsed tells by the clock what ctx may not have heard yet.
	lapsed func() bool
	// giveUp tells the mesh of a resign.
	giveUp func(context.Context) error
}

func newLeadership(m *Member, e *epoch, scope string, t *controlv1.LeadershipToken) *Leadership {
	l := &Leadership{Scope: scope, Term: t.GetTerm(), Fence: t.GetFenceToken()}
	l.ctx, l.cancel = context.WithCancelCause(e.ctx)
	l.lapsed = func() bool { return m.clock() >= e.until.Load() }
	l.giveUp = func(ctx context.Context) error {
		m.scopes.over(scope, l.Term)
		l.cancel(ErrResigned)
		return m.resign(ctx, scope, e.session, l.Term)
	}
	return l
}

// Context ends with the leadership.
func (l *Leadership) Context() context.Context { return l.ctx }

// Done is closed when the leadership has ended here: at the latest at the end of
// the lease on this machine's clock, which is before anybody else can lead.
func (l *Leadership) Done() <-chan struct{} { return l.ctx.Done() }

// Err is nil before Done is closed, then why: [ErrLeaseEnded], [ErrDeposed],
// [ErrResigned], [ErrReassigned] (the session is no more), [ErrReleased] (the
// member leaves) or [ErrStopped].
func (l *Leadership) Err() error { return context.Cause(l.ctx) }

// Check returns nil while this member leads. It looks at the clock itself; call
// it right before what only the leader may do.
func (l *Leadership) Check() error {
	if err := l.Err(); err != nil {
		return err
	}
	if l.lapsed() {
		return ErrLeaseEnded
	}
	return nil
}

// Resign gives the leadership up. It has ended here when Resign begins; an error
// says that the mesh may not know yet.
func (l *Leadership) Resign(ctx context.Context) error { return l.giveUp(ctx) }

// resign gives up a term; 0 also withdraws a candidacy. That there is nothing to
// give up is what was asked for.
func (m *Member) resign(ctx context.Context, scope string, session, term int64) error {
	_, err := m.client.Leaders.Resign(ctx, &controlv1.ResignRequest{
		Scope: scope, NodeId: m.cfg.NodeID, SessionId: session, Term: term,
		Mutation: &controlv1.Mutation{Reason: "given up by the member"},
	})
	switch reasonOf(err) {
	case "not_leader", "session_not_found":
		return nil
	}
	return err
}

// keep watches a leadership until it has ended. That the watch is cut ends
// nothing: the lease does.
func (m *Member) keep(l *Leadership) {
	pauses := waits{min: rewatchMin, max: rewatchMax}
	resume := l.Term // the grant may come again, and says nothing new
	for l.ctx.Err() == nil {
		err := m.watchTerm(l, resume)
		if l.ctx.Err() != nil {
			break
		}
		if forgotten(err) {
			resume = 0
		}
		m.log.Debug("watch of a scope ended, it begins anew", "scope", l.Scope, "error", err)
		pauses.pause(l.ctx)
	}
	if errors.Is(l.Err(), ErrDeposed) {
		m.scopes.over(l.Scope, l.Term)
	}
	m.log.Info("leadership ended", "scope", l.Scope, "term", l.Term, "cause", l.Err())
	m.scopes.free(l.Scope)
}

// watchTerm ends a leadership when the log says so.
func (m *Member) watchTerm(l *Leadership, resume int64) error {
	snapshot, held := resume == 0, false
	req := &controlv1.LeadershipSubscribeRequest{Scope: l.Scope, ResumeToken: resume, Bookmarks: true}
	for e, err := range m.client.Leaders.Subscribe(l.ctx, req) {
		if err != nil {
			return err
		}
		term := e.GetToken().GetTerm()
		switch {
		case e.GetToken() == nil: // a bookmark; the first ends the snapshot
			if snapshot && !held && e.GetPosition() >= l.Term {
				l.cancel(ErrDeposed)
			}
			snapshot = false
		case term > l.Term, term == l.Term && ends(e.GetKind()):
			l.cancel(ErrDeposed)
		case term == l.Term:
			held = true
		}
	}
	return nil
}

// ends reports whether an event says that a term is over.
func ends(k controlv1.LeadershipEventKind) bool {
	switch k {
	case controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_LOST,
		controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_EXPIRED,
		controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_STEPPED_DOWN:
		return true
	}
	return false
}

// Leader is who leads a scope; NodeID is empty when nobody does.
type Leader struct {
	Scope   string
	NodeID  string
	Session int64
	Term    int64
	Fence   int64
}

// Observe ranges over the leaders of a scope, the present one first; an empty
// scope is all scopes. It goes on over cuts until ctx ends or the loop breaks; an
// error is the last thing that comes.
func (m *Member) Observe(ctx context.Context, scope string) iter.Seq2[Leader, error] {
	return func(yield func(Leader, error) bool) {
		for e, err := range m.client.Leaders.Subscribe(ctx, &controlv1.LeadershipSubscribeRequest{Scope: scope}) {
			if err != nil {
				yield(Leader{}, err)
				return
			}
			t := e.GetToken()
			l := Leader{Scope: e.GetScope(), NodeID: t.GetLeaderId(), Session: t.GetSessionId(), Term: t.GetTerm(), Fence: t.GetFenceToken()}
			if ends(e.GetKind()) {
				l.NodeID, l.Session = "", 0
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// temporary reports whether a call may succeed later.
func temporary(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && !hopeless(e.Code)
}
