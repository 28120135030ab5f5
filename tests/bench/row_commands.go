package main

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

// commandsInProcess: the sequencer on the real log beside etcd in this process,
// by a client over gRPC on loopback, and by its client without any network.
func commandsInProcess(ctx context.Context, r *run) (err error) {
	l, err := r.newLab(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.start(ctx); err != nil {
		return err
	}
	cfgs, err := r.etcdConfigs(1)
	if err != nil {
		return err
	}
	e, err := openEtcd(ctx, cfgs[0])
	if err != nil {
		return err
	}
	defer e.Close()
	overGRPC, err := etcdClient(cfgs[0].Client)
	if err != nil {
		return err
	}
	defer overGRPC.Close() //nolint:errcheck // the server ends beside it
	direct := v3client.New(e.Server)
	workers, err := l.workers(ctx, 64)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		callers int
		goal    float64
	}{{1, 1.5}, {16, 2.5}, {64, 5}} {
		got, err := r.alternate(ctx,
			l.closed(workers[:c.callers], r, false), l.closed(workers[:c.callers], r, true),
			etcdClosed(overGRPC, c.callers, r), etcdClosed(direct, c.callers, r))
		if err != nil {
			return err
		}
		callers := fmt.Sprintf("%d callers", c.callers)
		if c.callers == 1 {
			callers = "1 caller"
		}
		r.add(callers+", Txn over gRPC", perSecond, ratioAtLeast(c.goal), got[0], got[2])
		r.add(callers+", Txn by a call in process", perSecond, goal{}, got[0], got[3])
		r.add(callers+", ours with idempotency keys, Txn over gRPC", perSecond, goal{}, got[1], got[2])
	}
	return nil
}

// closed has each worker's label changed by a caller of its own.
func (l *lab) closed(workers []*worker, r *run, keyed bool) side {
	return func(ctx context.Context) (float64, error) {
		// A principal may have so many keys in a quarter of an hour; each caller of
		// each repetition is one.
		actors := make([]string, len(workers))
		for i := range actors {
			actors[i] = fmt.Sprintf("user/bench-%d-%d", i, workers[i].version)
		}
		return closed(ctx, len(workers), r.window, func(ctx context.Context, i int) error {
			w := workers[i]
			_, err := l.seq.Submit(ctx, w.request(actors[i], keyed))
			w.version++
			return err
		})
	}
}

func etcdClosed(client *clientv3.Client, callers int, r *run) side {
	return func(ctx context.Context) (float64, error) {
		r.serial++
		keys := newEtcdKeys(client, fmt.Sprintf("bench-%d", r.serial), callers)
		return closed(ctx, callers, r.window, keys.put)
	}
}
