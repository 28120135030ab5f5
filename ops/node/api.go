package node

import (
	"context"
	"log/slog"
	"net"
	"os/user"
	"time"

	"github.com/omnirelay/omnirelay/api/auth"
	api "github.com/omnirelay/omnirelay/api/server"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/ops/telemetry"
)

// startAPI serves everything that is asked from outside, on one listener.
func (s *server) startAPI(l net.Listener) error {
	feeds, err := api.NewFeeds(s.rows, s.store, s.opts.Registry)
	if err != nil {
		return err
	}
	handler, err := api.New(api.Deps{
		Name: s.cfg.Name, ClusterID: s.cfg.Cluster, MeshVersion: s.opts.Version,
		Submitter: s.seq, Views: s.rows, Feeds: feeds, Log: s.store, Heartbeats: beats{s.keeper},
		Authenticator: auth.Insecure{User: osUser()}, Refusals: s.refused,
		Leading: s.seq.HasAuthority, Ready: s.waitingFor,
		Head:       func() events.Position { return s.seq.View().Mark.Position },
		Registerer: s.opts.Registry, MetricsHandler: telemetry.Handler(s.opts.Registry),
		Logger: s.log.With("component", "api"),
	})
	if err != nil {
		return err
	}
	srv := api.HTTPServer(handler)
	srv.ErrorLog = slog.NewLogLogger(s.log.With("component", "http").Handler(), slog.LevelWarn)
	s.parts.runs("api", 2*time.Second, func(ctx context.Context) error { return serve(ctx, srv, handler.Stop, l) })
	s.parts.runs("watch", time.Second, s.watch)
	return nil
}

// osUser is who is said to act when a caller says nothing.
func osUser() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}
