package client

import (
	"context"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Sessions is SessionService, for members. What a session means, and when a
// lease ends, is the business of api/member.
type Sessions struct {
	c   *Client
	rpc controlv1.SessionServiceClient
}

// Open opens a node's session.
func (s *Sessions) Open(ctx context.Context, req *controlv1.OpenSessionRequest) (*controlv1.OpenSessionResponse, error) {
	return mutate(ctx, s.c, s.rpc.Open, req)
}

// Heartbeat renews the lease. It is sent again while ctx lasts, as any read
// is. A caller that counts its lease from the sending must take the moment
// before the call, which is never later than the sending of the attempt that
// was answered.
func (s *Sessions) Heartbeat(ctx context.Context, req *controlv1.HeartbeatRequest) (*controlv1.HeartbeatResponse, error) {
	return read(ctx, s.c, s.rpc.Heartbeat, req)
}

// Leave closes the session, after the node released what it owned.
func (s *Sessions) Leave(ctx context.Context, req *controlv1.LeaveRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.Leave, req)
	return res.GetReceipt(), err
}
