package client

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Lookuper reads single shards for many goroutines over one stream, as
// [Commander] does for commands. Run must be running for Lookup to get
// anywhere.
type Lookuper struct {
	c  *Client
	co *coalescer[lookup, *controlv1.ShardRecord]
}

// lookup is one read.
type lookup struct {
	ref         *controlv1.ShardRef
	minPosition int64
}

// NewLookuper makes a Lookuper.
func (c *Client) NewLookuper() *Lookuper {
	co := newCoalescer[lookup, *controlv1.ShardRecord](c)
	co.open = func(ctx context.Context) conduit[lookup, *controlv1.ShardRecord] {
		s := c.Shards.rpc.Lookup(ctx)
		c.setHeader(s.RequestHeader())
		return &lookupStream{c: c, s: s}
	}
	co.unary = func(ctx context.Context, entries []*entry[lookup, *controlv1.ShardRecord], answer func(uint64, *controlv1.ShardRecord, *Error)) error {
		req := connect.NewRequest(lookupBatch(entries))
		c.setHeader(req.Header())
		res, err := c.Shards.rpc.BatchGet(ctx, req)
		if err != nil {
			return err
		}
		c.seen.note(res.Header())
		answerShards(res.Msg, answer)
		return nil
	}
	return &Lookuper{c: c, co: co}
}

// Run sends until ctx ends, and returns when all its goroutines have. It may
// be called once.
func (l *Lookuper) Run(ctx context.Context) error { return l.co.run(ctx) }

// Lookup reads one shard, at minPosition or later; 0 takes what there is.
// Reads that leave together share the highest of their min positions. An
// unknown shard is an [*Error] with CodeNotFound.
func (l *Lookuper) Lookup(ctx context.Context, namespace, shardID string, minPosition int64) (*controlv1.ShardRecord, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.c.cfg.CallTimeout)
		defer cancel()
	}
	req := lookup{ref: &controlv1.ShardRef{Namespace: namespace, ShardId: shardID}, minPosition: minPosition}
	for {
		o := l.co.do(ctx, req)
		switch {
		case o.err == nil && o.res.GetNamespace() == "":
			return nil, &Error{
				Code: connect.CodeNotFound, Reason: "shard_unknown", Message: fmt.Sprintf("shard %s/%s is unknown", namespace, shardID),
			}
		case o.err == nil:
			return o.res, nil
		case o.verdict == final, o.stopped:
			return nil, o.err
		case ctx.Err() != nil:
			return nil, l.c.gaveUp(ctx, o.err, nil)
		}
	}
}

type lookupStream struct {
	c     *Client
	s     *connect.BidiStreamForClient[controlv1.BatchGetShardsRequest, controlv1.BatchGetShardsResponse]
	heard bool
}

func (p *lookupStream) send(entries []*entry[lookup, *controlv1.ShardRecord]) error {
	return p.s.Send(lookupBatch(entries))
}

func (p *lookupStream) receive(answer func(uint64, *controlv1.ShardRecord, *Error)) error {
	res, err := p.s.Receive()
	if err != nil {
		return fmt.Errorf("lookup stream: %w", err)
	}
	if !p.heard {
		p.heard = true
		p.c.seen.note(p.s.ResponseHeader())
	}
	answerShards(res, answer)
	return nil
}

func (p *lookupStream) close() {
	_ = p.s.CloseRequest() // of a stream that is lost: an error says nothing new
}

// lookupBatch names the message by the id of its first read: ids in a message
// are dense, so that the answer's rows need none.
func lookupBatch(entries []*entry[lookup, *controlv1.ShardRecord]) *controlv1.BatchGetShardsRequest {
	batch := &controlv1.BatchGetShardsRequest{Id: entries[0].id, Refs: make([]*controlv1.ShardRef, len(entries))}
	for i, e := range entries {
		batch.Refs[i] = e.req.ref
		batch.MinPosition = max(batch.MinPosition, e.req.minPosition)
	}
	return batch
}

func answerShards(res *controlv1.BatchGetShardsResponse, answer func(uint64, *controlv1.ShardRecord, *Error)) {
	for i, row := range res.GetShards() {
		answer(res.GetId()+uint64(i), row, nil)
	}
}
