package natslog

import (
	"context"
	"maps"
	"slices"
)

// HeardEmpty is what the servers of a cluster that answer say of themselves, by name:
// that they have no sign of a log.
func (s *Store) HeardEmpty(ctx context.Context) (empty []bool) {
	heard, err := s.askHello(ctx, true)
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(heard)) {
		empty = append(empty, heard[name].Empty)
	}
	return empty
}

// LeadsMembership tells whether this server leads what the servers agree on.
func (s *Store) LeadsMembership() bool {
	srv := s.server.Running()
	return srv != nil && srv.JetStreamIsLeader()
}

// RemoveServer takes a server out of the membership.
func (s *Store) RemoveServer(ctx context.Context, name string) error {
	return s.removeServer(ctx, name, "")
}

// StopServer stops the embedded server of a store that goes on, StartServer starts
// it again.
func (s *Store) StopServer() { s.server.Stop() }

// StartServer is the other half of StopServer.
func (s *Store) StartServer() error { return s.server.Start() }

// Request is the context of one request to the embedded server.
func (s *Store) Request(ctx context.Context) (context.Context, context.CancelFunc) {
	return s.request(ctx)
}
