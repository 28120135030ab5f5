package server

import (
	"context"
	"runtime"
	"slices"
	"strings"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

// SystemService: how the control plane itself is.

func (s *Server) registerSystem() {
	handleUnary(s, controlv1.SystemServiceGetStatusProcedure, s.status)
	handleUnary(s, controlv1.SystemServiceGetVersionsProcedure, s.versions)
	handleUnary(s, controlv1.SystemServiceListServersProcedure, s.listServers)
	handleUnary(s, controlv1.SystemServiceReplaceServerProcedure, s.replaceServer)
}

func (s *Server) status(ctx context.Context, q *controlv1.GetStatusRequest) (*controlv1.MeshStatus, error) {
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if r.past {
		return s.statusPast(r)
	}
	waiting := s.waiting()
	answer := &controlv1.MeshStatus{
		ClusterId: s.deps.ClusterID, Ready: len(waiting) == 0, WaitingFor: waiting, Log: s.nameOf(r.View), Position: int64(r.Position()),
	}
	if token, ok, err := registry.Leader(r.View, events.GlobalScope, 0); err != nil {
		return nil, err
	} else if ok {
		answer.Leader = token.LeaderId
	}
	if answer.LogState, err = registry.LogState(r.View, 0); err != nil {
		return nil, err
	}
	answer.Servers = s.servers(r, answer.Ready)
	return answer, countMesh(r, answer)
}

// servers are this one and what it knows of the others, by name.
func (s *Server) servers(r *reading, ready bool) []*controlv1.ServerStatus {
	all := []*controlv1.ServerStatus{s.self(r, ready)}
	if s.deps.Others != nil {
		all = append(all, s.deps.Others()...)
		slices.SortFunc(all, func(a, b *controlv1.ServerStatus) int { return strings.Compare(a.Name, b.Name) })
	}
	return all
}

func (s *Server) self(r *reading, ready bool) *controlv1.ServerStatus {
	role := "standby"
	if s.deps.Leading() {
		role = "leader"
	}
	lag := int64(0)
	if head := s.deps.Head(); head > r.Position() {
		lag = int64(head - r.Position())
	}
	return &controlv1.ServerStatus{
		Name: s.deps.Name, Role: role, Ready: ready, Position: int64(r.Position()), HeadHash: r.Mark.Hash.String(), LagEvents: lag,
		MeshVersion: s.deps.MeshVersion, WaitingFor: s.waiting(),
	}
}

func countMesh(r *reading, answer *controlv1.MeshStatus) error {
	shards, err := shardmap.Count(r.View, "")
	if err != nil {
		return err
	}
	answer.Shards = &controlv1.ShardCounts{Total: shards.Total, Unowned: shards.Unowned, Moving: shards.Moving, Quarantined: shards.Quarantined}
	if answer.Namespaces, err = registry.NamespaceCount(r.View); err != nil {
		return err
	}
	peers, err := registry.PeerCounts(r.View)
	answer.Peers = &controlv1.PeerCounts{
		Alive:   peers[controlv1.PeerStatus_PEER_STATUS_ALIVE],
		Suspect: peers[controlv1.PeerStatus_PEER_STATUS_SUSPECT],
		Failed:  peers[controlv1.PeerStatus_PEER_STATUS_FAILED],
	}
	return err
}

// waiting lists what is missing until this server is ready.
func (s *Server) waiting() []string {
	if s.deps.Ready == nil {
		return nil
	}
	return s.deps.Ready()
}

func (s *Server) versions(ctx context.Context, _ *controlv1.GetVersionsRequest) (*controlv1.Versions, error) {
	return &controlv1.Versions{
		MeshVersion: s.deps.MeshVersion, GoVersion: runtime.Version(),
		SchemaVersion: events.SchemaVersion, EvolveVersion: model.EvolveVersion, Strategies: placement.Names(),
	}, nil
}
