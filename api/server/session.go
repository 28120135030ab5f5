package server

import (
	"context"
	"crypto/sha256"
	"fmt"

	"connectrpc.com/connect"

	"github.com/omnirelay/omnirelay/api/auth"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// SessionService: what agents call.

// minSecret and maxSecret bound a session's secret, in bytes.
const (
	minSecret = 16
	maxSecret = 1024
)

func (s *Server) registerSessions() {
	handleUnary(s, controlv1.SessionServiceOpenProcedure, s.openSession)
	handleUnary(s, controlv1.SessionServiceHeartbeatProcedure, s.heartbeat)
	handleUnary(s, controlv1.SessionServiceLeaveProcedure, s.leave)
}

func secretHash(secret []byte) (events.Hash, error) {
	if len(secret) < minSecret || len(secret) > maxSecret {
		return events.Hash{}, badField("secret", fmt.Sprintf("%d to %d random bytes", minSecret, maxSecret), "has %d bytes", len(secret))
	}
	return sha256.Sum256(secret), nil
}

func (s *Server) openSessionCommand(r *controlv1.OpenSessionRequest) (commands.Command, error) {
	hash, err := secretHash(r.Secret)
	if err != nil {
		return nil, err
	}
	weight := r.Weight
	if weight == 0 {
		weight = 1
	}
	if r.Incarnation < 1 {
		return nil, badField("incarnation", "1 or more", "is %d", r.Incarnation)
	}
	return membership.OpenSession{SecretHash: hash, Incarnation: uint64(r.Incarnation), Node: membership.Descriptor{
		NodeID: r.NodeId, Role: r.Role, ClusterID: s.deps.ClusterID, Region: r.Region, Zone: r.Zone,
		Weight: weight, Labels: r.Labels, MeshVersion: r.MeshVersion, HTTP3Support: r.Http3Support,
	}}, nil
}

func leaveCommand(r *controlv1.LeaveRequest) (commands.Command, error) {
	hash, err := secretHash(r.Secret)
	return membership.Leave{NodeID: r.NodeId, Session: events.Position(r.SessionId), SecretHash: hash}, err
}

// openSession answers with the session's terms as the log has them, so that a
// repeated call answers the same.
func (s *Server) openSession(ctx context.Context, r *controlv1.OpenSessionRequest) (*controlv1.OpenSessionResponse, error) {
	receipt, err := s.mutate(ctx, r)
	if err != nil {
		return nil, err
	}
	if receipt.DryRun {
		return &controlv1.OpenSessionResponse{Position: receipt.Position}, nil
	}
	// SessionOpened is the last event of its decision.
	opened, v, err := s.eventAt(ctx, events.Position(receipt.Position))
	if err != nil {
		return nil, err
	}
	session := opened.Event.GetSessionOpened()
	if session == nil {
		return nil, internal(fmt.Errorf("position %d is %s, expected SessionOpened", receipt.Position, events.TypeOf(opened.Event)))
	}
	return &controlv1.OpenSessionResponse{
		SessionId: receipt.Position, Position: receipt.Position, TtlMs: int64(session.TtlMs),
		Log: fmt.Sprintf("%s.%d", s.deps.ClusterID, v.Era), LogId: v.LogID[:],
	}, nil
}

// eventAt waits until an event is shown and reads it from the log.
func (s *Server) eventAt(ctx context.Context, p events.Position) (out events.Recorded, head events.Head, err error) {
	if err := s.waitFor(ctx, p); err != nil {
		return out, head, err
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return out, head, err
	}
	defer v.Release()
	err = projections.Events(ctx, s.deps.Log, v, p-1, p, func(_ *projections.DecisionInfo, rec events.Recorded) error {
		out = rec
		return nil
	})
	if err == nil && out.Event == nil {
		err = internal(fmt.Errorf("the log has no event at position %d", p))
	}
	return out, v.Mark.Head, err
}

func (s *Server) heartbeat(ctx context.Context, r *controlv1.HeartbeatRequest) (*controlv1.HeartbeatResponse, error) {
	c := callOf(ctx)
	if err := commands.CheckName("nodeId", r.NodeId); err != nil {
		return nil, err
	}
	if !c.identity.MayActAs(r.NodeId) {
		return nil, notItself(c.identity, r.NodeId)
	}
	secret, err := secretHash(r.Secret)
	if err != nil {
		return nil, err
	}
	ttl, wantFull, err := s.deps.Heartbeats.Heartbeat(ctx, r.NodeId, events.Position(r.SessionId), secret, r.HeldDigest, r.Held, r.Full)
	if err != nil {
		return nil, err
	}
	head := s.deps.Head()
	c.answered(head)
	return &controlv1.HeartbeatResponse{TtlMs: ttl.Milliseconds(), WantFull: wantFull, Position: int64(head)}, nil
}

func (s *Server) leave(ctx context.Context, r *controlv1.LeaveRequest) (*controlv1.LeaveResponse, error) {
	receipt, err := s.mutate(ctx, r)
	if err != nil {
		return nil, err
	}
	return &controlv1.LeaveResponse{Receipt: receipt}, nil
}

func notItself(id auth.Identity, node string) error {
	return reasoned(connect.CodePermissionDenied, "not_this_node", "%s may not act as node %q", id.Actor, node)
}
