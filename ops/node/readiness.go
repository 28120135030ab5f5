package node

import (
	"context"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/events"
)

// readyLag is how many events the projection may be behind, once it had caught
// up, before reads are sent elsewhere.
const readyLag = 10_000

// waitingFor says what is missing until this server is ready, empty when it is.
func (s *server) waitingFor() []string {
	var missing []string
	for _, p := range s.parts.status() {
		if p.State != Running {
			missing = append(missing, fmt.Sprintf("%s is %s", p.Component, p.State))
		}
	}
	if trouble := s.store.Trouble(); trouble != "" {
		missing = append(missing, trouble)
	}
	view := s.seq.View()
	if view.Mark.Position == 0 {
		missing = append(missing, "sequencer has not caught up with the log")
	}
	scope, led := view.Model.Leadership.Scope(events.GlobalScope)
	known := true
	if s.election != nil {
		_, known = s.election.Leader()
	}
	switch {
	case view.Model.Unknown != 0:
		missing = append(missing, fmt.Sprintf("a newer release must lead: this one (%s) does not know the event at position %d; it serves reads and follows the log",
			s.opts.Version, view.Model.Unknown))
	case !led || scope.Holder == "":
		missing = append(missing, "no control leader is known")
	case !known:
		missing = append(missing, fmt.Sprintf("the control leader is not heard (the last was %s)", scope.Holder))
	case scope.Holder == s.cfg.Name && !s.seq.HasAuthority():
		missing = append(missing, "this server leads and cannot prove its authority")
	}
	if at := s.rows.Position(); !s.current(at, view.Mark.Position) {
		missing = append(missing, fmt.Sprintf("projection is at position %d of %d", at, view.Mark.Position))
	}
	return missing
}

// current reports whether the projection shows the head, or is close to it and
// showed it before. The head is known when the sequencer has caught up, which
// authority proves; before, its view is that of an old snapshot. A server that
// may not lead has read what says so, and a standby compares itself with what the
// leader says of itself.
func (s *server) current(at, head events.Position) bool {
	if at >= head && at > 0 && (s.seq.HasAuthority() || s.seq.View().Model.Unknown != 0 || s.abreast(head)) {
		s.caughtUp.Store(true)
		return true
	}
	return s.caughtUp.Load() && at+readyLag >= head
}

// abreast reports whether a standby has come as far as the leader, or was there
// within the leader's last words.
func (s *server) abreast(head events.Position) bool {
	return s.election != nil && s.election.Abreast(uint64(head))
}

// How often the watch looks: until the server is ready, and afterwards.
const (
	watchStarting = 5 * time.Millisecond
	watchReady    = 250 * time.Millisecond
)

// watch tells, once each, that the server became ready, and when leadership is
// gained and lost.
func (s *server) watch(ctx context.Context) error {
	tick := time.NewTicker(watchStarting)
	defer tick.Stop()
	ready, leading := false, false
	for {
		if now := s.seq.HasAuthority(); now != leading {
			leading = now
			s.tellLeadership(leading)
		}
		if !ready && len(s.waitingFor()) == 0 {
			ready = true
			tick.Reset(watchReady)
			s.log.Info("server ready", "address", s.address, "position", uint64(s.seq.View().Mark.Position),
				"took", time.Since(s.began).Round(time.Millisecond))
			if s.opts.OnReady != nil {
				s.opts.OnReady(s.address)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *server) tellLeadership(leading bool) {
	st := s.seq.Status()
	if leading {
		s.log.Info("leadership gained", "term", uint64(st.Term), "gained", st.AuthorityGained)
		return
	}
	s.log.Warn("leadership lost: no authority", "term", uint64(st.Term))
}
