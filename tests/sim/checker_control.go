package sim

import (
	"time"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/election"
	"github.com/omnirelay/omnirelay/ops/sessions"
)

// Bounds of a control plane that is well again.
const (
	// failoverBound is how long it may take until one server leads.
	failoverBound = 8 * time.Second
	// vacancyBound is how long a scope may be vacant while one leads.
	vacancyBound = time.Second
)

// tenure is what the checker knows of sessions and control leadership beside the
// log, in true time.
type tenure struct {
	// heard is when a leader last answered a heartbeat of a session, over what
	// expired on the log.
	heard map[uint64]int64
	over  map[uint64]bool
	// grantedAt is when the present control leadership was stored.
	grantedAt int64
	// vacant is since when a scope has a candidate and no holder.
	vacant map[string]int64
}

func newTenure() tenure {
	return tenure{heard: map[uint64]int64{}, over: map[uint64]bool{}, vacant: map[string]int64{}}
}

// rate is by how much the clocks of scenarios differ from true time at most.
const rate = 0.06

// atLeast reports whether so much time has passed since, by any clock.
func (w *World) atLeast(d time.Duration, since int64) bool {
	return float64(w.now-since) >= (1-rate)*float64(d)
}

// answeredBeat checks that a server that answers a heartbeat could prove that it
// leads: by a write of the register that was sent less than a second ago. So one
// that is isolated answers none after its authority.
func (c *checker) answeredBeat(s *server, hb sessions.Heartbeat) {
	if float64(c.w.now-s.proof) > (1+rate)*float64(sequencer.AuthorityFor) {
		c.w.fail("%s answers a heartbeat of %s, and has proved its leadership %s ago", s.name, hb.NodeID, time.Duration(c.w.now-s.proof))
	}
	if c.over[uint64(hb.Session)] {
		c.w.fail("%s answers session %d of %s, which has expired", s.name, hb.Session, hb.NodeID)
	}
	c.heard[uint64(hb.Session)] = c.w.now
}

// expired checks that a session that expired was heard by no leader for its time
// to live, and that a leader that found it open has waited that long itself: no
// change of leader ends what the one before has answered.
func (c *checker) expired(e *eventsv1.SessionClosed) {
	c.over[e.Session] = true
	if at, ok := c.heard[e.Session]; ok && !c.w.atLeast(c.w.cfg.TTL, at) {
		c.w.fail("session %d of %s expired %s after it was heard", e.Session, e.NodeId, time.Duration(c.w.now-at))
	}
	if before := e.Session < c.terms[events.GlobalScope]; before && !c.w.atLeast(c.w.cfg.TTL+sessions.Grace, c.grantedAt) {
		c.w.fail("session %d of %s expired %s after the control leader changed", e.Session, e.NodeId, time.Duration(c.w.now-c.grantedAt))
	}
}

// wakes checks L6: no lease lives again after its session has expired.
func (c *checker) wakes(p *process) {
	if session := uint64(p.core.Session()); c.over[session] && p.holdsLease(session) {
		c.w.fail("L6: %s holds a lease on session %d, which has expired", p.name, session)
	}
}

// campaigns checks that a server that campaigns has heard from so many servers
// lately that they miss the leader, that with itself they are a majority, and that
// none of those has come further; or that the leader named it.
func (c *checker) campaigns(s *server, v election.View) {
	if v.Retiring && v.Successor == s.name {
		return
	}
	missing := 1
	for name, h := range s.beats {
		if h.misses && float64(c.w.now-h.at) <= (1+rate)*float64(election.FreshFor) {
			missing++
		}
		if fresh := float64(c.w.now-h.at) < (1-rate)*float64(election.FreshFor); fresh && h.position > v.Position && !h.leaving {
			c.w.fail("%s campaigns at position %d, and has heard that %s is at %d", s.name, v.Position, name, h.position)
		}
	}
	if 2*missing <= len(c.w.servers) {
		c.w.fail("%s campaigns, and %d of %d servers miss the leader", s.name, missing, len(c.w.servers))
	}
}

// claims checks that a server that takes the register has heard of no other that
// won since it began to campaign: a leader would be lost for nothing.
func (c *checker) claims(s *server) {
	scope, _ := s.core.View().Model.Leadership.Scope(events.GlobalScope)
	if s.core.Campaigning() && scope.Term != s.against && scope.Holder != s.name {
		c.w.fail("%s takes the register although it knows that %s won meanwhile", s.name, scope.Holder)
	}
}

// leads checks, some time after all is well again, that one server leads.
func (c *checker) leads() {
	if c.leader() == nil {
		c.w.fail("L5: no server leads %s after all was well", failoverBound)
	}
}

// scopes checks L5 while nothing goes wrong: a scope that has a candidate does
// not stay vacant.
func (c *checker) scopes() {
	for _, scope := range simScopes() {
		sc, ok := c.replica.Leadership.Scope(scope)
		eligible := false
		if ok && sc.Holder == "" {
			for _, cand := range sc.Candidates {
				eligible = eligible || c.closed[cand.NodeID] == ""
			}
		}
		switch since := c.vacant[scope]; {
		case !eligible:
			delete(c.vacant, scope)
		case since == 0:
			c.vacant[scope] = c.w.now
		case c.w.now-since > int64(vacancyBound):
			c.w.fail("L5: %s is vacant for %s, and has a candidate", scope, time.Duration(c.w.now-since))
		}
	}
}

// simScopes are what members campaign for.
func simScopes() []string { return []string{"jobs/a", "jobs/b"} }
