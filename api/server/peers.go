package server

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/projections/registry"
)

// PeerControlService: who is in the mesh.

func (s *Server) registerPeers() {
	handleUnary(s, controlv1.PeerControlServiceListPeersProcedure, s.listPeers)
	handleUnary(s, controlv1.PeerControlServiceGetPeerProcedure, s.getPeer)
	handleServerStream(s, controlv1.PeerControlServiceWatchPeersProcedure, s.watchPeers)
	handleUnary(s, controlv1.PeerControlServiceCordonPeerProcedure, s.cordonPeer)
	handleUnary(s, controlv1.PeerControlServiceUncordonPeerProcedure, s.uncordonPeer)
	handleUnary(s, controlv1.PeerControlServiceDrainPeerProcedure, s.drainPeer)
	handleUnary(s, controlv1.PeerControlServiceCancelDrainPeerProcedure, s.cancelDrainPeer)
	handleUnary(s, controlv1.PeerControlServiceUpdatePeerProcedure, s.updatePeer)
}

type peer = controlv1.Peer

func peerTable() table[*peer] {
	return table[*peer]{
		each: registry.EachPeer,
		key:  (*peer).GetNodeId,
		fields: []ordering[*peer]{
			byText("nodeId", (*peer).GetNodeId), byText("role", (*peer).GetRole), byText("clusterId", (*peer).GetClusterId),
			byText("region", (*peer).GetRegion), byText("zone", (*peer).GetZone), byNumber("status", (*peer).GetStatus),
			byNumber("lifecycle", (*peer).GetLifecycle), byNumber("weight", (*peer).GetWeight),
			byText("meshVersion", (*peer).GetMeshVersion), byNumber("sessionId", (*peer).GetSessionId),
			byNumber("version", (*peer).GetVersion), byTime("joinedAt", (*peer).GetJoinedAt), byTime("updatedAt", (*peer).GetUpdatedAt),
		},
	}
}

func (s *Server) listPeers(ctx context.Context, q *controlv1.ListPeersRequest) (*controlv1.ListPeersResponse, error) {
	r, token, err := s.readAfter(ctx, q.Read, q.PageToken, filterHash(q))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	changed, err := registry.Changed(r.View, registry.PeersID)
	if err != nil {
		return nil, err
	}
	if callOf(ctx).tagged(listETag(r, changed)) {
		return nil, errNotModified
	}
	rows, cursor, err := peerTable().page(r, func(p *peer) bool { return matchPeer(q, p) }, q.OrderBy, pageSize(q.PageSize), token.cursor)
	if err != nil {
		return nil, err
	}
	if !r.past {
		for _, p := range rows {
			s.decoratePeer(p)
		}
	}
	return &controlv1.ListPeersResponse{Peers: rows, NextPageToken: nextToken(r, token, cursor), Position: int64(r.position())}, nil
}

// nextToken is the token of the page after this one; empty at the end.
func nextToken(r *reading, this pageToken, cursor string) string {
	if cursor == "" {
		return ""
	}
	return pageToken{at: r.position(), filter: this.filter, cursor: cursor}.encode(r.Mark.LogID)
}

func matchPeer(q *controlv1.ListPeersRequest, p *peer) bool {
	switch {
	case q.Role != "" && q.Role != p.Role,
		q.ClusterId != "" && q.ClusterId != p.ClusterId,
		q.Region != "" && q.Region != p.Region,
		q.MeshVersion != "" && q.MeshVersion != p.MeshVersion,
		len(q.Statuses) > 0 && !slices.Contains(q.Statuses, p.Status),
		len(q.Lifecycles) > 0 && !slices.Contains(q.Lifecycles, p.Lifecycle):
		return false
	}
	for _, label := range q.Labels {
		key, want, valued := strings.Cut(label, "=")
		if have, ok := p.Labels[key]; !ok || (valued && have != want) {
			return false
		}
	}
	return true
}

// decoratePeer adds what is known beside the log.
func (s *Server) decoratePeer(p *peer) {
	if p.Drain != nil && s.deps.Drain != nil {
		p.Drain.Progress = s.deps.Drain(p.NodeId)
	}
	if p.SessionId == 0 {
		return
	}
	if at, ok := s.deps.Heartbeats.LastSeen(p.NodeId); ok {
		p.LastSeen = timestamppb.New(at)
	}
}

func (s *Server) getPeer(ctx context.Context, q *controlv1.GetPeerRequest) (*peer, error) {
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if r.empty {
		return nil, notFound("node", q.NodeId)
	}
	p, ok, err := registry.Peer(r.View, q.NodeId, r.at)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("node", q.NodeId)
	}
	if callOf(ctx).tagged(versionETag(p.Version)) {
		return nil, errNotModified
	}
	if !r.past {
		s.decoratePeer(p)
	}
	return p, nil
}

func (s *Server) cordonPeer(ctx context.Context, q *controlv1.CordonPeerRequest) (*controlv1.CordonPeerResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.CordonPeerResponse{Receipt: receipt}, err
}

func (s *Server) uncordonPeer(ctx context.Context, q *controlv1.UncordonPeerRequest) (*controlv1.UncordonPeerResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.UncordonPeerResponse{Receipt: receipt}, err
}

func (s *Server) drainPeer(ctx context.Context, q *controlv1.DrainPeerRequest) (*controlv1.DrainPeerResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.DrainPeerResponse{Receipt: receipt}, err
}

func (s *Server) cancelDrainPeer(ctx context.Context, q *controlv1.CancelDrainPeerRequest) (*controlv1.CancelDrainPeerResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.CancelDrainPeerResponse{Receipt: receipt}, err
}

func (s *Server) updatePeer(ctx context.Context, q *controlv1.UpdatePeerRequest) (*controlv1.UpdatePeerResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.UpdatePeerResponse{Receipt: receipt}, err
}
