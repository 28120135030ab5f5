package client

import (
	"context"
	"fmt"
	"iter"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Leaders is LeadershipControlService.
type Leaders struct {
	c   *Client
	rpc controlv1.LeadershipControlServiceClient
}

func (l *Leaders) lister() lister[controlv1.ListLeadersRequest, controlv1.ListLeadersResponse, *controlv1.LeadershipToken] {
	return lister[controlv1.ListLeadersRequest, controlv1.ListLeadersResponse, *controlv1.LeadershipToken]{
		rpc:   l.rpc.ListLeaders,
		token: func(q *controlv1.ListLeadersRequest) *string { return &q.PageToken },
		view: func(r *controlv1.ListLeadersResponse) Page[*controlv1.LeadershipToken] {
			return Page[*controlv1.LeadershipToken]{Items: r.GetLeaders(), Position: r.GetPosition(), Next: r.GetNextPageToken()}
		},
	}
}

// List reads one page.
func (l *Leaders) List(ctx context.Context, req *controlv1.ListLeadersRequest) (*Page[*controlv1.LeadershipToken], error) {
	return l.lister().page(ctx, l.c, req)
}

// Collect reads all pages.
func (l *Leaders) Collect(ctx context.Context, req *controlv1.ListLeadersRequest) (*Page[*controlv1.LeadershipToken], error) {
	return l.lister().collect(ctx, l.c, req)
}

// All ranges over all pages.
func (l *Leaders) All(ctx context.Context, req *controlv1.ListLeadersRequest) iter.Seq2[*controlv1.LeadershipToken, error] {
	return l.lister().all(ctx, l.c, req)
}

// Subscribe ranges over the scopes that are held and then over every change,
// until ctx ends or the loop breaks.
func (l *Leaders) Subscribe(ctx context.Context, req *controlv1.LeadershipSubscribeRequest) iter.Seq2[*controlv1.LeadershipEvent, error] {
	w := &watch[controlv1.LeadershipEvent]{
		c: l.c,
		open: func(ctx context.Context, resume int64, header headers) (*connect.ServerStreamForClient[controlv1.LeadershipEvent], error) {
			own := proto.CloneOf(req)
			own.ResumeToken, own.Bookmarks = resume, true
			r := connect.NewRequest(own)
			header(r)
			return l.rpc.Subscribe(ctx, r)
		},
		look:      lookLeader,
		bookmarks: req.GetBookmarks(),
		gone: func(e *controlv1.LeadershipEvent) *controlv1.LeadershipEvent {
			return &controlv1.LeadershipEvent{
				Kind: controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_LOST, Scope: e.GetScope(), LeaderId: e.GetLeaderId(), Token: e.GetToken(), Position: e.GetPosition(),
			}
		},
	}
	return w.all(ctx, req.GetResumeToken())
}

func lookLeader(e *controlv1.LeadershipEvent) note {
	return note{
		resume: e.GetPosition(), row: e.GetScope(), version: e.GetToken().GetTerm(),
		change:   fmt.Sprintf("%d %d %s %s", e.GetToken().GetTerm(), e.GetKind(), e.GetLeaderId(), e.GetScope()),
		snapshot: e.GetKind() == controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_SNAPSHOT,
		bookmark: e.GetKind() == controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_OBSERVED && e.GetToken() == nil,
	}
}

// Campaign makes a node a candidate for a scope. The answer has a token when
// it won at once.
func (l *Leaders) Campaign(ctx context.Context, req *controlv1.CampaignRequest) (*controlv1.CampaignResponse, error) {
	return mutate(ctx, l.c, l.rpc.Campaign, req)
}

// Resign gives a scope up.
func (l *Leaders) Resign(ctx context.Context, req *controlv1.ResignRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, l.c, l.rpc.Resign, req)
	return res.GetReceipt(), err
}
