package server

import (
	"context"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// The commands of ShardControlService.

func (s *Server) moveShards(ctx context.Context, q *controlv1.MoveShardsRequest) (*controlv1.MoveShardsResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.MoveShardsResponse{Receipt: receipt}, err
}

func (s *Server) cancelShardMoves(ctx context.Context, q *controlv1.CancelShardMovesRequest) (*controlv1.CancelShardMovesResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.CancelShardMovesResponse{Receipt: receipt}, err
}

func (s *Server) pauseShards(ctx context.Context, q *controlv1.PauseShardsRequest) (*controlv1.PauseShardsResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.PauseShardsResponse{Receipt: receipt}, err
}

func (s *Server) resumeShards(ctx context.Context, q *controlv1.ResumeShardsRequest) (*controlv1.ResumeShardsResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.ResumeShardsResponse{Receipt: receipt}, err
}
