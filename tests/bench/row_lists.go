package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

func mustMarshal(m proto.Message) []byte {
	data, err := proto.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("bench: marshal what a server sent: %v", err))
	}
	return data
}

// lists: a page of 1,000 by one caller against a range of as many keys with
// values of the same size; and the same list as it was at a random position of a
// million, in process, on rows with 900 versions each.
func lists(ctx context.Context, r *run) error {
	if err := r.withReads(ctx, func(ctx context.Context, b *both) error {
		return r.compare(ctx, "list 1,000 shards by RPC; etcd range of 1,000", seconds, ratioAtMost(1.5), r.listShards(b.mesh), r.listEtcd(b.kv))
	}); err != nil {
		return err
	}
	return r.listPast(ctx)
}

// listings is how many lists one repetition times.
func (r *run) listings() int { return max(3, 300/r.scale) }

func (r *run) listShards(m *mesh) side {
	return func(ctx context.Context) (float64, error) {
		took, err := timed(r.listings(), func(int) error {
			page, err := m.client.Shards.List(ctx, &controlv1.ShardListRequest{Namespace: "demo", PageSize: readShards})
			if err == nil && len(page.Items) != readShards {
				err = fmt.Errorf("the page has %d shards", len(page.Items))
			}
			return err
		})
		return median(took), err
	}
}

func (r *run) listEtcd(kv *clientv3.Client) side {
	return func(ctx context.Context) (float64, error) {
		took, err := timed(r.listings(), func(int) error {
			res, err := kv.Get(ctx, "shards/demo/", clientv3.WithPrefix(), clientv3.WithSerializable())
			if err == nil && len(res.Kvs) != readShards {
				err = fmt.Errorf("the range has %d keys", len(res.Kvs))
			}
			return err
		})
		return median(took), err
	}
}

func (r *run) listPast(ctx context.Context) (err error) {
	h, err := r.pastLog(ctx)
	if err != nil {
		return err
	}
	p, err := h.project(ctx, r, tables()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	var p50, p99 []float64
	for range r.reps {
		took, err := timed(max(3, 200/r.scale), func(int) error { return listAt(p, h) })
		if err != nil {
			return err
		}
		p50, p99 = append(p50, quantile(took, 0.5)), append(p99, quantile(took, 0.99))
	}
	r.add("list 1,000 shards as of a random position, in process, p50", seconds, atMost(seconds, 15e-3), p50, nil)
	r.add("the same, p99", seconds, goal{}, p99, nil)
	return nil
}

func listAt(p *running, h *history) error {
	v, err := p.rows.View()
	if err != nil {
		return err
	}
	defer v.Release()
	// After the namespace and its nodes, which are the first positions.
	at, err := v.AsOf(events.Position(100 + rand.IntN(int(h.head.Position)-100)))
	if err != nil {
		return err
	}
	n := 0
	if err := shardmap.Each(v, shardmap.Filter{Namespace: "demo"}, at, func([]byte) bool { n++; return true }); err != nil {
		return err
	}
	if n != historyShards {
		return errors.New("the past has another number of shards")
	}
	return nil
}
