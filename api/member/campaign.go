package member

import (
	"context"
	"sync"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// reassert is how often a candidate says again that it is one: an operator may
// have withdrawn it. Where it still is, nothing is written.
const reassert = 30 * time.Second

// withdrawTime bounds the withdrawal of a candidate whose caller went away.
const withdrawTime = 5 * time.Second

// CampaignOptions are what a candidate may say of itself.
type CampaignOptions struct {
	// Priority: of several candidates the one with the highest is elected, among
	// equals the first.
	Priority int32
	Labels   map[string]string
}

// Campaign makes this member a candidate and blocks until it leads the scope,
// or until ctx ends, which withdraws the candidacy. A member has one campaign or
// leadership per scope at a time; another call gets [ErrCampaigning]. Over a
// session that was lost it goes on with the next one.
func (m *Member) Campaign(ctx context.Context, scope string, o CampaignOptions) (*Leadership, error) {
	if err := m.scopes.take(ctx, scope); err != nil {
		return nil, err
	}
	c := &candidate{m: m, scope: scope, options: o}
	l, err := c.run(ctx)
	if err == nil {
		m.scopes.led(l)
		if m.tasks.spawn(func(context.Context) { m.keep(l) }) {
			m.log.Info("leadership gained", "scope", scope, "term", l.Term)
			return l, nil
		}
		l.cancel(ErrStopped)
		err = ErrStopped
	}
	c.withdraw()
	return nil, err
}

// candidate is one call of Campaign.
type candidate struct {
	m       *Member
	scope   string
	options CampaignOptions
	// session that the mesh was last told of; 0 before.
	session int64
}

func (c *candidate) run(ctx context.Context) (*Leadership, error) {
	pauses := waits{min: reopenMin, max: reopenMax}
	for {
		e, err := c.m.lease.await(ctx)
		if err != nil {
			return nil, err
		}
		token, err := c.attempt(ctx, e)
		if token != nil {
			// Bound to the epoch in which it was heard: a lease that lapsed
			// meanwhile means asking again.
			if l := newLeadership(c.m, e, c.scope, token); l.Check() == nil {
				return l, nil
			}
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil && reasonOf(err) != "session_not_found" && !temporary(err) && !passing(err) {
			return nil, err
		}
		if err != nil && !pauses.pause(ctx) {
			return nil, context.Cause(ctx)
		}
	}
}

// attempt declares the candidacy and waits for the grant, as long as the epoch
// lasts. Neither token nor error means that it is time to declare again.
func (c *candidate) attempt(ctx context.Context, e *epoch) (*controlv1.LeadershipToken, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	c.session = e.session
	res, err := c.m.client.Leaders.Campaign(ctx, &controlv1.CampaignRequest{
		Scope: c.scope, NodeId: c.m.cfg.NodeID, SessionId: e.session, Priority: c.options.Priority, Labels: c.options.Labels,
		Mutation: &controlv1.Mutation{Reason: "member campaigns"},
	})
	if err != nil {
		if e.ctx.Err() != nil {
			return nil, nil
		}
		return nil, err
	}
	if t := res.GetToken(); t != nil && t.GetSessionId() == e.session {
		if t.GetTerm() > c.m.scopes.ended(c.scope) {
			return t, nil
		}
		// A term that was given up here, which the mesh did not hear.
		return nil, c.m.resign(ctx, c.scope, e.session, t.GetTerm())
	}
	return c.wait(ctx, e)
}

// wait reads the scope's events until one grants it to this session.
func (c *candidate) wait(ctx context.Context, e *epoch) (*controlv1.LeadershipToken, error) {
	waiting, cancel := context.WithTimeout(ctx, reassert)
	defer cancel()
	for ev, err := range c.m.client.Leaders.Subscribe(waiting, &controlv1.LeadershipSubscribeRequest{Scope: c.scope}) {
		if err != nil {
			if waiting.Err() != nil {
				return nil, nil
			}
			return nil, err
		}
		t := ev.GetToken()
		if t != nil && !ends(ev.GetKind()) && t.GetSessionId() == e.session && t.GetTerm() > c.m.scopes.ended(c.scope) {
			return t, nil
		}
	}
	return nil, nil
}

// withdraw takes a candidacy back that may be known, and frees the scope then.
func (c *candidate) withdraw() {
	c.m.scopes.leave(c.scope)
	known := c.session != 0 && c.m.tasks.spawn(func(ctx context.Context) {
		defer c.m.scopes.free(c.scope)
		ctx, cancel := context.WithTimeout(ctx, withdrawTime)
		defer cancel()
		if err := c.m.resign(ctx, c.scope, c.session, 0); err != nil {
			c.m.log.Warn("candidacy not withdrawn: it ends with the session", "scope", c.scope, "error", err)
		}
	})
	if !known {
		c.m.scopes.free(c.scope)
	}
}

// campaign is what a scope is taken by.
type campaign struct {
	leaving bool        // a candidacy is being withdrawn
	won     *Leadership // nil before
	free    chan struct{}
}

// ending reports whether the scope will be free in a moment.
func (c *campaign) ending() bool { return c.leaving || c.won != nil && c.won.Err() != nil }

// scopes are the scopes that this member campaigns for or leads.
type scopes struct {
	mu sync.Mutex
	of map[string]*campaign
	// terms are the last terms that are over for good, by scope. They are as many
	// as the scopes that a program names.
	terms map[string]int64
}

// take takes a scope; one whose candidacy or leadership is ending is waited for.
func (s *scopes) take(ctx context.Context, scope string) error {
	for {
		s.mu.Lock()
		c := s.of[scope]
		if c == nil {
			s.of[scope] = &campaign{free: make(chan struct{})}
		}
		ending := c != nil && c.ending()
		s.mu.Unlock()
		switch {
		case c == nil:
			return nil
		case !ending:
			return ErrCampaigning
		}
		select {
		case <-c.free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// led notes that a campaign was won.
func (s *scopes) led(l *Leadership) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[l.Scope].won = l
}

func (s *scopes) leave(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.of[scope]; c != nil {
		c.leaving = true
	}
}

func (s *scopes) free(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.of[scope]; c != nil {
		close(c.free)
		delete(s.of, scope)
	}
}

func (s *scopes) over(scope string, term int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.terms[scope] = max(s.terms[scope], term)
}

func (s *scopes) ended(scope string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.terms[scope]
}
