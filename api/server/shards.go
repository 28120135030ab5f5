package server

import (
	"context"
	"errors"
	"io"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

// ShardControlService: who owns which shard.

func (s *Server) registerShards() {
	handleUnary(s, controlv1.ShardControlServiceListProcedure, s.listShards)
	handleServerStream(s, controlv1.ShardControlServiceWatchProcedure, s.watchShards)
	handleUnary(s, controlv1.ShardControlServiceDiffProcedure, s.diffShards)
	handleUnary(s, controlv1.ShardControlServiceSimulateProcedure, s.simulate)
	handleUnary(s, controlv1.ShardControlServiceGetProcedure, s.getShard)
	handleUnary(s, controlv1.ShardControlServiceBatchGetProcedure, s.batchGetShards)
	handleBidi(s, controlv1.ShardControlServiceLookupProcedure, s.lookupShards)
	handleUnary(s, controlv1.ShardControlServiceHistoryProcedure, s.shardHistory)
	handleUnary(s, controlv1.ShardControlServiceMoveProcedure, s.moveShards)
	handleUnary(s, controlv1.ShardControlServiceCancelMoveProcedure, s.cancelShardMoves)
	handleUnary(s, controlv1.ShardControlServicePauseProcedure, s.pauseShards)
	handleUnary(s, controlv1.ShardControlServiceResumeProcedure, s.resumeShards)
}

type record = controlv1.ShardRecord

func shardOrderings() []ordering[*record] {
	return []ordering[*record]{
		byText("namespace", (*record).GetNamespace), byText("ownerNodeId", (*record).GetOwnerNodeId),
		byText("leaderId", (*record).GetLeaderId), byText("strategyId", (*record).GetStrategyId),
		byNumber("capacityHint", (*record).GetCapacityHint), byNumber("status", (*record).GetStatus),
		byNumber("version", (*record).GetVersion), byTime("updatedAt", (*record).GetUpdatedAt),
		byNumber("fenceToken", (*record).GetFenceToken),
	}
}

func (s *Server) listShards(ctx context.Context, q *controlv1.ShardListRequest) (*controlv1.ShardListResponse, error) {
	var hash uint64
	if q.Cursor != "" {
		hash = filterHash(q)
	}
	token, err := s.decodeToken("cursor", q.Cursor, hash)
	if err != nil {
		return nil, err
	}
	r, err := s.readAt(ctx, q.Read, token.at)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	counts, err := shardmap.Count(r.View, q.Namespace)
	if err != nil {
		return nil, err
	}
	// Shards that are there now are of a namespace that is there now.
	if q.Namespace != "" && (counts.Total == 0 || r.at != 0 || r.empty) {
		if _, err := namespaceAt(r, q.Namespace); err != nil {
			return nil, err
		}
	}
	c := callOf(ctx)
	if c.tagged(listETag(r, counts.Changed)) {
		return nil, errNotModified
	}
	answer := &controlv1.ShardListResponse{Version: int64(r.position())}
	cursor, err := fillShards(r, q, token.cursor, c.wire(), answer)
	if err != nil {
		return nil, err
	}
	if cursor != "" {
		token.filter = filterHash(q)
		answer.NextCursor = nextToken(r, token, cursor)
	}
	return answer, nil
}

// fillShards puts a page's rows into the answer and returns the next cursor.
func fillShards(r *reading, q *controlv1.ShardListRequest, cursor string, wire bool, answer *controlv1.ShardListResponse) (next string, err error) {
	f := shardmap.Filter{Namespace: q.Namespace, Owner: q.OwnerNodeId, Statuses: q.Statuses, Search: q.Search}
	size := pageSize(q.PageSize)
	if q.OrderBy != "" || r.empty {
		compare, err := order(shardOrderings(), q.OrderBy)
		if err != nil || r.empty {
			return "", err
		}
		answer.Shards, next, err = sorted(eachShard(r, f), func(*record) bool { return true }, compare, size, cursor)
		return next, err
	}
	page, err := shardmap.List(r.View, f, cursor, size, r.at)
	switch {
	case errors.Is(err, shardmap.ErrCursor):
		return "", badField("cursor", "the token of the page before, with the same filters", "is no page token")
	case err != nil:
		return "", err
	case wire:
		handOver(answer.ProtoReflect(), page.Rows)
		return page.Next, nil
	}
	answer.Shards, err = page.Decode()
	return page.Next, err
}

// eachShard visits decoded rows.
func eachShard(r *reading, f shardmap.Filter) func(func(*record) bool) error {
	return func(fn func(*record) bool) error {
		var bad error
		err := shardmap.Each(r.View, f, r.at, func(raw []byte) bool {
			var row *record
			if row, bad = (shardmap.Codec{}).Parse(raw); bad != nil {
				return false
			}
			return fn(row)
		})
		return errors.Join(err, bad)
	}
}

func (s *Server) getShard(ctx context.Context, q *controlv1.GetShardRequest) (*record, error) {
	if _, err := parseShard("shardId", q.ShardId); err != nil {
		return nil, err
	}
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if r.empty {
		return nil, notFound("shard", q.Namespace+"/"+q.ShardId)
	}
	row, ok, err := shardmap.Get(r.View, q.Namespace, q.ShardId, r.at)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("shard", q.Namespace+"/"+q.ShardId)
	}
	if callOf(ctx).tagged(versionETag(row.Version)) {
		return nil, errNotModified
	}
	return row, nil
}

func (s *Server) batchGetShards(ctx context.Context, q *controlv1.BatchGetShardsRequest) (*controlv1.BatchGetShardsResponse, error) {
	c := callOf(ctx)
	answer, err := s.lookup(ctx, c.wire(), q)
	if err != nil {
		return nil, err
	}
	c.answered(events.Position(answer.Position))
	return answer, nil
}

// lookup answers point reads from one view.
func (s *Server) lookup(ctx context.Context, wire bool, q *controlv1.BatchGetShardsRequest) (*controlv1.BatchGetShardsResponse, error) {
	if q.MinPosition > 0 {
		if err := s.waitFor(ctx, events.Position(q.MinPosition)); err != nil {
			return nil, err
		}
	}
	v, err := s.deps.Views.View()
	if err != nil {
		return nil, err
	}
	defer v.Release()
	answer := &controlv1.BatchGetShardsResponse{Position: int64(v.Position()), Id: q.Id}
	rows := make([][]byte, len(q.GetRefs()))
	for i, ref := range q.GetRefs() {
		// An unknown shard is an empty row, which is an empty record.
		if rows[i], _, err = shardmap.GetRaw(v, ref.GetNamespace(), ref.GetShardId(), 0); err != nil {
			return nil, err
		}
	}
	if wire {
		handOver(answer.ProtoReflect(), rows)
		return answer, nil
	}
	answer.Shards, err = shardmap.Page{Rows: rows}.Decode()
	return answer, err
}

// lookupShards answers batch after batch, in order.
func (s *Server) lookupShards(ctx context.Context, p pipe[controlv1.BatchGetShardsRequest, controlv1.BatchGetShardsResponse]) error {
	wire := callOf(ctx).wire()
	for {
		q, err := p.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := s.lookup(ctx, wire, q)
		if err != nil {
			return err
		}
		if err := p.send(answer); err != nil {
			return err
		}
	}
}
