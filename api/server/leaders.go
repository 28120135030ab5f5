package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections/registry"
)

// LeadershipControlService: who leads what.

func (s *Server) registerLeaders() {
	handleServerStream(s, controlv1.LeadershipControlServiceSubscribeProcedure, s.subscribeLeaders)
	handleUnary(s, controlv1.LeadershipControlServiceListLeadersProcedure, s.listLeaders)
	handleUnary(s, controlv1.LeadershipControlServiceCampaignProcedure, s.campaign)
	handleUnary(s, controlv1.LeadershipControlServiceResignProcedure, s.resign)
}

type leader = controlv1.LeadershipToken

func leaderTable() table[*leader] {
	return table[*leader]{
		each: registry.EachLeader,
		key:  (*leader).GetScope,
		fields: []ordering[*leader]{
			byText("scope", (*leader).GetScope), byText("scopeKind", (*leader).GetScopeKind),
			byText("leaderId", (*leader).GetLeaderId), byNumber("term", (*leader).GetTerm), byTime("issuedAt", (*leader).GetIssuedAt),
		},
	}
}

func (s *Server) listLeaders(ctx context.Context, q *controlv1.ListLeadersRequest) (*controlv1.ListLeadersResponse, error) {
	r, token, err := s.readAfter(ctx, q.Read, q.PageToken, filterHash(q))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	changed, err := registry.Changed(r.View, registry.LeadersID)
	if err != nil {
		return nil, err
	}
	if callOf(ctx).tagged(listETag(r, changed)) {
		return nil, errNotModified
	}
	match := func(t *leader) bool { return q.Scope == "" || t.Scope == q.Scope }
	rows, cursor, err := leaderTable().page(r, match, q.OrderBy, pageSize(q.PageSize), token.cursor)
	if err != nil {
		return nil, err
	}
	if !r.past {
		for _, t := range rows {
			s.decorateLeader(t)
		}
	}
	return &controlv1.ListLeadersResponse{Leaders: rows, NextPageToken: nextToken(r, token, cursor), Position: int64(r.position())}, nil
}

// decorateLeader adds when the holder's session ends if nothing more is heard.
func (s *Server) decorateLeader(t *leader) {
	if t.SessionId == 0 {
		return
	}
	if at, ok := s.deps.Heartbeats.Expires(t.LeaderId); ok {
		t.ExpiresAt = timestamppb.New(at)
	}
}

// campaign answers with the token when the campaign won at once, or had won
// before.
func (s *Server) campaign(ctx context.Context, q *controlv1.CampaignRequest) (*controlv1.CampaignResponse, error) {
	receipt, err := s.mutate(ctx, q)
	if err != nil {
		return nil, err
	}
	answer := &controlv1.CampaignResponse{Receipt: receipt}
	if receipt.DryRun {
		return answer, nil
	}
	if len(receipt.Events) == 1 && receipt.Events[0] == "LeadershipGranted" {
		answer.Token = grantedToken(q, receipt)
		return answer, nil
	}
	if len(receipt.Events) > 0 {
		return answer, nil // a candidate now
	}
	if err := s.waitFor(ctx, events.Position(receipt.Position)); err != nil {
		return nil, err
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return nil, err
	}
	defer v.Release()
	token, ok, err := registry.Leader(v, q.Scope, 0)
	if err == nil && ok && token.SessionId == q.SessionId {
		answer.Token = token
	}
	return answer, err
}

// grantedToken is the token of a grant that is the whole decision: its term is
// the decision's position.
func grantedToken(q *controlv1.CampaignRequest, receipt *controlv1.Receipt) *leader {
	return &leader{
		Scope: q.Scope, ScopeKind: leadership.KindOf(q.Scope), LeaderId: q.NodeId,
		Term: receipt.Position, FenceToken: receipt.Position, Version: receipt.Position,
		IssuedAt: receipt.Time, Labels: q.Labels, SessionId: q.SessionId,
	}
}

func (s *Server) resign(ctx context.Context, q *controlv1.ResignRequest) (*controlv1.ResignResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.ResignResponse{Receipt: receipt}, err
}
