package server

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
	"github.com/omnirelay/omnirelay/projections/watch"
)

// The streams of rows: shards, peers, leaders.

// watchShards waits for a namespace that does not exist yet, unlike a list of it:
// whoever routes by it may start before it is created.
func (s *Server) watchShards(ctx context.Context, q *controlv1.ShardWatchRequest, out sink[controlv1.ShardDiffNotification]) error {
	f := shardmap.Filter{Namespace: q.Namespace, Owner: q.OwnerNodeId, Statuses: q.Statuses, Search: q.Search, Involves: q.InvolvesNodeId}
	o := watch.Options[*record]{Match: f.Match, Route: f.Route()}
	return follow(ctx, s, s.deps.Feeds.Shards, o, q.ResumeToken, following[*record, controlv1.ShardDiffNotification]{
		bookmarks: q.Bookmarks, out: out,
		make: func(item watch.Item[*record], resume events.Position) *controlv1.ShardDiffNotification {
			return shardmap.Notification(item.Current, item.Previous, item.Event, resume)
		},
	})
}

func (s *Server) watchPeers(ctx context.Context, q *controlv1.WatchPeersRequest, out sink[controlv1.PeerNotification]) error {
	f := registry.PeerFilter{Role: q.Role}
	return follow(ctx, s, s.deps.Feeds.Peers, watch.Options[*peer]{Match: f.Match}, q.ResumeToken, following[*peer, controlv1.PeerNotification]{
		bookmarks: q.Bookmarks, out: out,
		make: func(item watch.Item[*peer], resume events.Position) *controlv1.PeerNotification {
			n := &controlv1.PeerNotification{Position: int64(resume), Current: item.Current, Previous: item.Previous}
			if e := item.Event; e.DecisionInfo != nil {
				n.Actor, n.Reason, n.Event, n.EventPosition = e.Actor, e.Reason, e.Type, int64(e.Position)
			}
			return n
		},
	})
}

func (s *Server) subscribeLeaders(ctx context.Context, q *controlv1.LeadershipSubscribeRequest, out sink[controlv1.LeadershipEvent]) error {
	f := registry.LeaderFilter{Scope: q.Scope}
	return follow(ctx, s, s.deps.Feeds.Leaders, watch.Options[*leader]{Match: f.Match}, q.ResumeToken, following[*leader, controlv1.LeadershipEvent]{
		bookmarks: q.Bookmarks, out: out, make: leadershipEvent,
	})
}

func leadershipEvent(item watch.Item[*leader], resume events.Position) *controlv1.LeadershipEvent {
	token := item.Current
	if token == nil {
		token = item.Previous
	}
	e := &controlv1.LeadershipEvent{
		Kind: leadershipKind(item), Scope: token.GetScope(), LeaderId: token.GetLeaderId(), Token: token, Position: int64(resume),
	}
	switch info := item.Event; {
	case info.DecisionInfo != nil:
		e.Reason, e.CorrelationId = info.Reason, info.CorrelationID
		if e.Reason == "" {
			e.Reason = info.Type
		}
		e.OccurredAt = timestamppb.New(time.Unix(0, info.Time))
	case token != nil:
		e.OccurredAt = token.GetIssuedAt()
	}
	return e
}

// leadershipKind says what happened to a scope. An end is named by the event
// that was its cause.
func leadershipKind(item watch.Item[*leader]) controlv1.LeadershipEventKind {
	switch item.Kind {
	case watch.Row:
		return controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_SNAPSHOT
	case watch.Bookmark:
		return controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_OBSERVED
	}
	if item.Current != nil {
		return controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_ELECTED
	}
	return endOfLeadership(item.Event)
}

func endOfLeadership(e projections.EventInfo) controlv1.LeadershipEventKind {
	switch {
	case e.Type == "LeadershipResigned":
		return controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_STEPPED_DOWN
	case e.Type == "SessionClosed" && e.Cause == int32(eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED):
		return controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_EXPIRED
	}
	return controlv1.LeadershipEventKind_LEADERSHIP_EVENT_KIND_LOST
}
