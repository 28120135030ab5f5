package node

import (
	"context"
	"os/user"
	"time"

	"github.com/omnirelay/omnirelay/api/auth"
	api "github.com/omnirelay/omnirelay/api/server"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/election"
	"github.com/omnirelay/omnirelay/ops/telemetry"
)

// startAPI answers everything that is asked from outside, where before the front
// said what is missing.
func (s *server) startAPI(context.Context) error {
	feeds, err := api.NewFeeds(s.rows, s.store, s.opts.Registry)
	if err != nil {
		return err
	}
	handler, err := api.New(api.Deps{
		Name: s.cfg.Name, ClusterID: s.cfg.Cluster, MeshVersion: s.opts.Version,
		Submitter: s.submitter(), Views: s.rows, Feeds: feeds, Log: s.store, Heartbeats: beats{s.relay},
		Authenticator: auth.Insecure{User: osUser()}, Refusals: s.refused,
		Leading: s.seq.HasAuthority, Ready: s.waitingFor, Others: s.otherServers(), Replicas: s.replicas(),
		Head: s.head, Drain: s.drainProgress,
		Registerer: s.opts.Registry, MetricsHandler: telemetry.Handler(s.opts.Registry),
		Logger: s.log.With("component", "api"),
	})
	if err != nil {
		return err
	}
	s.front.open(handler)
	s.parts.runs("watch", time.Second, s.watch)
	return nil
}

// head is how far this server knows the log to go. The write model and the rows
// follow it each for itself, and after a cut one may be ahead of the other.
func (s *server) head() events.Position {
	return max(s.seq.View().Mark.Position, s.rows.Position())
}

// submitter takes the API's commands: the sequencer, or what forwards them.
func (s *server) submitter() api.Submitter {
	if s.forward != nil {
		return s.forward
	}
	return s.seq
}

// replicas are the copies of the log; nil with a single server.
func (s *server) replicas() api.Replicas {
	if s.election == nil {
		return nil
	}
	return replicas{s.store}
}

// otherServers tells of the others of a cluster; nil with a single server.
func (s *server) otherServers() func() []*controlv1.ServerStatus {
	if s.election == nil {
		return nil
	}
	return func() []*controlv1.ServerStatus {
		var out []*controlv1.ServerStatus
		for _, m := range s.election.Others() {
			out = append(out, s.statusOf(m))
		}
		return append(out, s.unheard()...)
	}
}

// unheard are the servers on the log that this one has not heard since it started.
func (s *server) unheard() []*controlv1.ServerStatus {
	var out []*controlv1.ServerStatus
	s.seq.View().Model.Membership.EachServer(func(n membership.Node) bool {
		if _, _, ok := s.election.Last(n.NodeID); !ok && n.NodeID != s.cfg.Name && !n.Left {
			out = append(out, &controlv1.ServerStatus{
				Name: n.NodeID, Role: "standby", MeshVersion: n.MeshVersion, WaitingFor: []string{"it is silent"},
			})
		}
		return true
	})
	return out
}

// statusOf is what is known of another server. One that is silent is not ready,
// whatever it said last.
func (s *server) statusOf(m election.Member) *controlv1.ServerStatus {
	st := &controlv1.ServerStatus{
		Name: m.Server, Role: "standby", Position: int64(m.Shown), HeadHash: events.Hash(m.Hash).String(),
		LagEvents: int64(m.Position) - int64(m.Shown), Address: m.Address, MeshVersion: m.Version, WaitingFor: m.Waiting,
	}
	if head := s.seq.View().Mark.Position; uint64(head) > m.Position {
		st.LagEvents = int64(head) - int64(m.Shown)
	}
	if !s.election.Alive(m) {
		if !m.Leaving {
			st.WaitingFor = []string{"it is silent"}
		}
		return st
	}
	st.Ready = len(m.Waiting) == 0
	if m.Leading {
		st.Role = "leader"
	}
	return st
}

// osUser is who is said to act when a caller says nothing.
func osUser() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}
