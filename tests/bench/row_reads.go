package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/omnirelay/omnirelay/api/member"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

// readShards is the size of the namespace, and of the range in etcd.
const readShards = 1000

// readCallers of the reads by RPC.
const readCallers = 64

// both are the two servers with the same number of records.
type both struct {
	mesh *mesh
	etcd *server
	kv   *clientv3.Client
}

// withReads starts both servers, filled, for a group of reads.
func (r *run) withReads(ctx context.Context, fn func(context.Context, *both) error) (err error) {
	m, err := r.newMesh(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if _, err := m.peers(ctx, historyNodes); err != nil {
		return err
	}
	if err := m.namespace(ctx, "demo", readShards); err != nil {
		return err
	}
	rec, err := m.client.Shards.Get(ctx, &controlv1.GetShardRequest{Namespace: "demo", ShardId: "17"})
	if err != nil {
		return err
	}
	size := len(mustMarshal(rec))
	e, err := r.etcdProcess(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	kv, err := etcdClient(e.url)
	if err != nil {
		return err
	}
	defer kv.Close() //nolint:errcheck // its server ends with it
	for i := range readShards {
		if _, err := kv.Put(ctx, etcdShard(i), padding[:min(size, len(padding))]); err != nil {
			return err
		}
	}
	return fn(ctx, &both{mesh: m, etcd: e, kv: kv})
}

func etcdShard(i int) string { return fmt.Sprintf("shards/demo/%05d", i) }

func pointReads(ctx context.Context, r *run) error {
	if err := r.lookupInServer(ctx); err != nil {
		return err
	}
	return r.withReads(ctx, func(ctx context.Context, b *both) error {
		if err := r.measure(ctx, "route a key in api/member", seconds, atMost(seconds, 1e-6), r.route(b.mesh)); err != nil {
			return err
		}
		if err := r.compare(ctx, "lookups by RPC, 64 callers, unary; etcd Get, serializable", perSecond, ratioAtLeast(0.6),
			r.getUnary(b.mesh), r.getEtcd(b.kv)); err != nil {
			return err
		}
		return r.compare(ctx, "lookups by RPC, 64 callers, coalesced; etcd Get, serializable", perSecond, ratioAtLeast(3),
			r.getCoalesced(b.mesh), r.getEtcd(b.kv))
	})
}

// route is the mean of many keys, by one caller.
func (r *run) route(m *mesh) side {
	return func(ctx context.Context) (v float64, err error) {
		dir, err := r.temp("member")
		if err != nil {
			return 0, err
		}
		cfg := member.DefaultConfig("router", dir, m.url)
		cfg.Role, cfg.Namespaces, cfg.Logger = "router", []string{"demo"}, quiet()
		me, err := member.New(cfg)
		if err != nil {
			return 0, err
		}
		stop := background(ctx, me.Run)
		defer func() { err = errors.Join(err, stop()) }()
		if err := me.Follow(ctx, "demo"); err != nil {
			return 0, err
		}
		keys := make([]string, 4096)
		for i := range keys {
			keys[i] = "customer-" + strconv.Itoa(i)
		}
		rounds := 1000 / r.scale
		took, err := timed(rounds, func(int) error {
			for _, k := range keys {
				if _, err := me.Route("demo", k); err != nil {
					return err
				}
			}
			return nil
		})
		return median(took) / float64(len(keys)), err
	}
}

// lookupInServer: what a handler does for one shard: take the view, read the
// row, decode it, release the view. Rows have a past of 900 versions each.
func (r *run) lookupInServer(ctx context.Context) (err error) {
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
		took, err := timed(50_000/r.scale, func(int) error {
			v, err := p.rows.View()
			if err != nil {
				return err
			}
			defer v.Release()
			_, ok, err := shardmap.Get(v, "demo", strconv.Itoa(rand.IntN(historyShards)), 0)
			if err == nil && !ok {
				err = errors.New("a shard is not there")
			}
			return err
		})
		if err != nil {
			return err
		}
		p50, p99 = append(p50, quantile(took, 0.5)), append(p99, quantile(took, 0.99))
	}
	r.add("point lookup in the server, p50", seconds, goal{}, p50, nil)
	r.add("point lookup in the server, p99", seconds, atMost(seconds, 50e-6), p99, nil)
	return nil
}

func (r *run) getUnary(m *mesh) side {
	return func(ctx context.Context) (float64, error) {
		return closed(ctx, readCallers, r.window, func(ctx context.Context, _ int) error {
			_, err := m.client.Shards.Get(ctx, &controlv1.GetShardRequest{Namespace: "demo", ShardId: randomShard()})
			return err
		})
	}
}

func (r *run) getCoalesced(m *mesh) side {
	return func(ctx context.Context) (v float64, err error) {
		l := m.client.NewLookuper()
		stop := background(ctx, l.Run)
		defer func() { err = errors.Join(err, stop()) }()
		return closed(ctx, readCallers, r.window, func(ctx context.Context, _ int) error {
			_, err := l.Lookup(ctx, "demo", randomShard(), 0)
			return err
		})
	}
}

func (r *run) getEtcd(kv *clientv3.Client) side {
	return func(ctx context.Context) (float64, error) {
		return closed(ctx, readCallers, r.window, func(ctx context.Context, _ int) error {
			res, err := kv.Get(ctx, etcdShard(rand.IntN(readShards)), clientv3.WithSerializable())
			if err == nil && len(res.Kvs) != 1 {
				err = errors.New("an etcd key is not there")
			}
			return err
		})
	}
}

func randomShard() string { return strconv.Itoa(rand.IntN(readShards)) }
