package server

import (
	"context"
	"errors"
	"fmt"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

// What became of shards: histories and diffs.

func (s *Server) shardHistory(ctx context.Context, q *controlv1.ShardHistoryRequest) (*controlv1.ShardHistoryResponse, error) {
	if _, err := parseShard("shardId", q.ShardId); err != nil {
		return nil, err
	}
	r, token, err := s.readAfter(ctx, q.Read, q.PageToken, filterHash(q))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	after, err := decodePosition(token.cursor)
	if err != nil {
		return nil, err
	}
	var items []*controlv1.ShardDiffNotification
	var next events.Position
	if !r.empty {
		items, next, err = shardmap.History(r.View, q.Namespace, q.ShardId, after, pageSize(q.PageSize), r.at)
	}
	if err != nil {
		return nil, err
	}
	if len(items) == 0 && after == 0 {
		return nil, notFound("shard", q.Namespace+"/"+q.ShardId)
	}
	answer := &controlv1.ShardHistoryResponse{Items: items, Position: int64(r.position())}
	if next != 0 {
		answer.NextPageToken = nextToken(r, token, next.String())
	}
	return answer, nil
}

func (s *Server) diffShards(ctx context.Context, q *controlv1.ShardDiffRequest) (*controlv1.ShardDiffResponse, error) {
	for _, end := range []namedPosition{{"fromToken", q.FromToken}, {"toToken", q.ToToken}} {
		if err := s.reach(ctx, end.field, events.Position(end.value)); err != nil {
			return nil, err
		}
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return nil, err
	}
	defer v.Release()
	from, to, err := diffRange(v, q)
	if err != nil {
		return nil, err
	}
	limit := int(q.Limit)
	if limit == 0 {
		limit = MaxDiff
	}
	f := shardmap.Filter{Namespace: q.Namespace, Owner: q.OwnerNodeId, Statuses: q.Statuses, Search: q.Search}
	answer := &controlv1.ShardDiffResponse{}
	reached, err := shardmap.Diff(v, f, from, to, limit, func(n *controlv1.ShardDiffNotification) error {
		answer.Diffs = append(answer.Diffs, n)
		return ctx.Err()
	})
	if err == nil && len(answer.Diffs) == 0 && q.Namespace != "" {
		err = existed(v, q.Namespace, from, to)
	}
	answer.LastPosition = int64(reached)
	callOf(ctx).answered(reached)
	return answer, err
}

// errChanged ends the search for a change.
var errChanged = errors.New("changed")

// existed refuses a namespace that did not exist at either end of a diff nor in
// between.
func existed(v *projections.View, name string, from, to events.Position) error {
	for _, at := range []events.Position{to, from} {
		if at == 0 { // before the first event; a query would take it for now
			continue
		}
		if _, ok, err := registry.Namespace(v, name, at); ok || err != nil {
			return err
		}
	}
	_, err := shardmap.Diff(v, shardmap.Filter{Namespace: name}, from, to, 1, func(*controlv1.ShardDiffNotification) error { return errChanged })
	switch {
	case errors.Is(err, errChanged):
		return nil
	case err != nil:
		return err
	}
	f := notFound("namespace", name)
	f.message = fmt.Sprintf("namespace %q did not exist between the positions %d and %d", name, from, to)
	return f
}

// diffRange is the two ends of a diff, each the end of a decision.
func diffRange(v *projections.View, q *controlv1.ShardDiffRequest) (from, to events.Position, err error) {
	if from, err = v.AsOf(events.Position(q.FromToken)); err != nil {
		return 0, 0, err
	}
	to = v.Position()
	if q.ToToken != 0 {
		if to, err = v.AsOf(events.Position(q.ToToken)); err != nil {
			return 0, 0, err
		}
	}
	if from > to {
		return 0, 0, badField("fromToken", "a position up to the other end, "+to.String(), "is %d", q.FromToken)
	}
	return from, to, nil
}
