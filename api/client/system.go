package client

import (
	"context"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// System is SystemService.
type System struct {
	c   *Client
	rpc controlv1.SystemServiceClient
}

// Status reads how the control plane is. With a min position it waits until
// the server that answers has come that far.
func (s *System) Status(ctx context.Context, req *controlv1.GetStatusRequest) (*controlv1.MeshStatus, error) {
	return read(ctx, s.c, s.rpc.GetStatus, req)
}

// ListServers reads what is known of the servers, and of the copies of the log.
func (s *System) ListServers(ctx context.Context, req *controlv1.ListServersRequest) (*controlv1.ListServersResponse, error) {
	return read(ctx, s.c, s.rpc.ListServers, req)
}

// ReplaceServer gives the place of a server's lost directory to its new one.
func (s *System) ReplaceServer(ctx context.Context, req *controlv1.ReplaceServerRequest) (*controlv1.ReplaceServerResponse, error) {
	return mutate(ctx, s.c, s.rpc.ReplaceServer, req)
}

// Versions reads what the server that answers runs.
func (s *System) Versions(ctx context.Context) (*controlv1.Versions, error) {
	return read(ctx, s.c, s.rpc.GetVersions, &controlv1.GetVersionsRequest{})
}
