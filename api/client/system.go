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

// Versions reads what the server that answers runs.
func (s *System) Versions(ctx context.Context) (*controlv1.Versions, error) {
	return read(ctx, s.c, s.rpc.GetVersions, &controlv1.GetVersionsRequest{})
}
