package client

import (
	"context"
	"fmt"
	"iter"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Shards is ShardControlService.
type Shards struct {
	c   *Client
	rpc controlv1.ShardControlServiceClient
}

func (s *Shards) lister() lister[controlv1.ShardListRequest, controlv1.ShardListResponse, *controlv1.ShardRecord] {
	return lister[controlv1.ShardListRequest, controlv1.ShardListResponse, *controlv1.ShardRecord]{
		rpc:   s.rpc.List,
		token: func(q *controlv1.ShardListRequest) *string { return &q.Cursor },
		view: func(r *controlv1.ShardListResponse) Page[*controlv1.ShardRecord] {
			return Page[*controlv1.ShardRecord]{Items: r.GetShards(), Position: r.GetVersion(), Next: r.GetNextCursor()}
		},
	}
}

// List reads one page.
func (s *Shards) List(ctx context.Context, req *controlv1.ShardListRequest) (*Page[*controlv1.ShardRecord], error) {
	return s.lister().page(ctx, s.c, req)
}

// Collect reads all pages.
func (s *Shards) Collect(ctx context.Context, req *controlv1.ShardListRequest) (*Page[*controlv1.ShardRecord], error) {
	return s.lister().collect(ctx, s.c, req)
}

// All ranges over all pages.
func (s *Shards) All(ctx context.Context, req *controlv1.ShardListRequest) iter.Seq2[*controlv1.ShardRecord, error] {
	return s.lister().all(ctx, s.c, req)
}

// Get reads one shard.
func (s *Shards) Get(ctx context.Context, req *controlv1.GetShardRequest) (*controlv1.ShardRecord, error) {
	return read(ctx, s.c, s.rpc.Get, req)
}

// BatchGet reads many shards at one position, in the order of the request; an
// unknown one is an empty record.
func (s *Shards) BatchGet(ctx context.Context, req *controlv1.BatchGetShardsRequest) (*controlv1.BatchGetShardsResponse, error) {
	return read(ctx, s.c, s.rpc.BatchGet, req)
}

func (s *Shards) historyLister() lister[controlv1.ShardHistoryRequest, controlv1.ShardHistoryResponse, *controlv1.ShardDiffNotification] {
	return lister[controlv1.ShardHistoryRequest, controlv1.ShardHistoryResponse, *controlv1.ShardDiffNotification]{
		rpc:   s.rpc.History,
		token: func(q *controlv1.ShardHistoryRequest) *string { return &q.PageToken },
		view: func(r *controlv1.ShardHistoryResponse) Page[*controlv1.ShardDiffNotification] {
			return Page[*controlv1.ShardDiffNotification]{Items: r.GetItems(), Position: r.GetPosition(), Next: r.GetNextPageToken()}
		},
	}
}

// History reads one page of a shard's changes, oldest first.
func (s *Shards) History(ctx context.Context, req *controlv1.ShardHistoryRequest) (*Page[*controlv1.ShardDiffNotification], error) {
	return s.historyLister().page(ctx, s.c, req)
}

// CollectHistory reads all changes of a shard, oldest first.
func (s *Shards) CollectHistory(ctx context.Context, req *controlv1.ShardHistoryRequest) (*Page[*controlv1.ShardDiffNotification], error) {
	return s.historyLister().collect(ctx, s.c, req)
}

// Diff reads one part of the changes between two positions; LastPosition of
// the answer, when below ToToken, is where the next part starts.
func (s *Shards) Diff(ctx context.Context, req *controlv1.ShardDiffRequest) (*controlv1.ShardDiffResponse, error) {
	return read(ctx, s.c, s.rpc.Diff, req)
}

// CollectDiff reads all changes between two positions.
func (s *Shards) CollectDiff(ctx context.Context, req *controlv1.ShardDiffRequest) (*controlv1.ShardDiffResponse, error) {
	own := proto.CloneOf(req)
	whole := &controlv1.ShardDiffResponse{}
	for {
		part, err := s.Diff(ctx, own)
		if err != nil {
			return nil, err
		}
		whole.Diffs = append(whole.Diffs, part.GetDiffs()...)
		whole.LastPosition = part.GetLastPosition()
		// A part that does not get on would be asked for without an end.
		if own.GetToToken() == 0 || part.GetLastPosition() >= own.GetToToken() || part.GetLastPosition() <= own.GetFromToken() {
			return whole, nil
		}
		own.FromToken = part.GetLastPosition()
	}
}

// Simulate places the shards of a namespace without moving any.
func (s *Shards) Simulate(ctx context.Context, req *controlv1.ShardSimulationRequest) (*controlv1.ShardSimulationResponse, error) {
	return read(ctx, s.c, s.rpc.Simulate, req)
}

// Watch ranges over the shards as they are and then over every change, until
// ctx ends or the loop breaks.
func (s *Shards) Watch(ctx context.Context, req *controlv1.ShardWatchRequest) iter.Seq2[*controlv1.ShardDiffNotification, error] {
	w := &watch[controlv1.ShardDiffNotification]{
		c: s.c,
		open: func(ctx context.Context, resume int64, header headers) (*connect.ServerStreamForClient[controlv1.ShardDiffNotification], error) {
			own := proto.CloneOf(req)
			own.ResumeToken, own.Bookmarks = resume, true
			r := connect.NewRequest(own)
			header(r)
			return s.rpc.Watch(ctx, r)
		},
		look:      lookShard,
		bookmarks: req.GetBookmarks(),
		gone: func(n *controlv1.ShardDiffNotification) *controlv1.ShardDiffNotification {
			return &controlv1.ShardDiffNotification{Position: n.GetPosition(), Previous: n.GetCurrent()}
		},
	}
	return w.all(ctx, req.GetResumeToken())
}

func lookShard(n *controlv1.ShardDiffNotification) note {
	row := n.GetCurrent()
	if row == nil {
		row = n.GetPrevious()
	}
	name := row.GetNamespace() + "/" + row.GetShardId()
	return note{
		resume: n.GetPosition(), row: name, version: row.GetVersion(),
		change:   fmt.Sprintf("%d %s", n.GetEventPosition(), name),
		snapshot: n.GetEventPosition() == 0 && n.GetCurrent() != nil && n.GetPrevious() == nil, bookmark: row == nil,
	}
}

// Move asks for shards to be moved to a node.
func (s *Shards) Move(ctx context.Context, req *controlv1.MoveShardsRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.Move, req)
	return res.GetReceipt(), err
}

// CancelMove ends moves in flight.
func (s *Shards) CancelMove(ctx context.Context, req *controlv1.CancelShardMovesRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.CancelMove, req)
	return res.GetReceipt(), err
}

// Pause keeps shards where they are.
func (s *Shards) Pause(ctx context.Context, req *controlv1.PauseShardsRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.Pause, req)
	return res.GetReceipt(), err
}

// Resume ends a pause.
func (s *Shards) Resume(ctx context.Context, req *controlv1.ResumeShardsRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.Resume, req)
	return res.GetReceipt(), err
}

// Unquarantine releases shards from quarantine.
func (s *Shards) Unquarantine(ctx context.Context, req *controlv1.UnquarantineShardsRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.Unquarantine, req)
	return res.GetReceipt(), err
}

// QuarantinePolicy reads when shards are quarantined.
func (s *Shards) QuarantinePolicy(ctx context.Context, req *controlv1.GetQuarantinePolicyRequest) (*controlv1.QuarantinePolicy, error) {
	return read(ctx, s.c, s.rpc.GetQuarantinePolicy, req)
}

// SetQuarantinePolicy changes the fields that are given.
func (s *Shards) SetQuarantinePolicy(ctx context.Context, req *controlv1.SetQuarantinePolicyRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, s.c, s.rpc.SetQuarantinePolicy, req)
	return res.GetReceipt(), err
}
