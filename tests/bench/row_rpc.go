package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// batchSize of the batches: etcd takes at most 128 operations in a transaction
// by default.
const batchSize = 100

// commandsByRPC: servers in processes of their own, new ones for each
// repetition, since a principal's keys of a quarter of an hour are bounded. The
// client is in this process on both sides.
func commandsByRPC(ctx context.Context, r *run) error {
	for _, c := range []struct {
		callers int
		goal    float64
	}{{1, 0.9}, {16, 1.3}, {64, 3}, {256, 6}} {
		what := fmt.Sprintf("coalesced by the command stream, %d callers", c.callers)
		if c.callers == 1 {
			what = "coalesced by the command stream, 1 caller"
		}
		if err := r.compare(ctx, what, perSecond, ratioAtLeast(c.goal),
			r.withMesh(c.callers, r.coalesced), r.withEtcd(c.callers, r.transactions)); err != nil {
			return err
		}
	}
	if err := r.compare(ctx, "plain unary, 64 callers", perSecond, ratioAtLeast(0.9),
		r.withMesh(64, r.unary), r.withEtcd(64, r.transactions)); err != nil {
		return err
	}
	return r.compare(ctx, fmt.Sprintf("batch RPC of %d from one caller, Txn of %d; in commands", batchSize, batchSize), perSecond, ratioAtLeast(2),
		r.withMesh(batchSize, r.batches), r.withEtcd(batchSize, r.bigTransactions))
}

// withMesh runs a side against a new server with so many nodes.
func (r *run) withMesh(nodes int, fn func(context.Context, *mesh, []*peer) (float64, error)) side {
	return func(ctx context.Context) (v float64, err error) {
		m, err := r.newMesh(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, m.close()) }()
		peers, err := m.peers(ctx, nodes)
		if err != nil {
			return 0, err
		}
		return fn(ctx, m, peers)
	}
}

// withEtcd runs a side against a new etcd with so many keys.
func (r *run) withEtcd(keys int, fn func(context.Context, *etcdKeys) (float64, error)) side {
	return func(ctx context.Context) (v float64, err error) {
		s, err := r.etcdProcess(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		c, err := etcdClient(s.url)
		if err != nil {
			return 0, err
		}
		defer c.Close() //nolint:errcheck // its server ends with it
		k := newEtcdKeys(c, "bench", keys)
		if err := k.make(ctx); err != nil {
			return 0, err
		}
		return fn(ctx, k)
	}
}

func (r *run) coalesced(ctx context.Context, m *mesh, peers []*peer) (v float64, err error) {
	commander := m.client.NewCommander()
	stop := background(ctx, commander.Run)
	defer func() { err = errors.Join(err, stop()) }()
	return closed(ctx, len(peers), r.window, func(ctx context.Context, i int) error {
		_, err := commander.Submit(ctx, peers[i].command())
		return err
	})
}

func (r *run) unary(ctx context.Context, m *mesh, peers []*peer) (float64, error) {
	return closed(ctx, len(peers), r.window, func(ctx context.Context, i int) error {
		_, err := m.client.Peers.Update(ctx, peers[i].update())
		return err
	})
}

func (r *run) batches(ctx context.Context, m *mesh, peers []*peer) (float64, error) {
	rate, err := closed(ctx, 1, r.window, func(ctx context.Context, _ int) error {
		all := make([]*controlv1.Command, len(peers))
		for i, p := range peers {
			all[i] = p.command()
		}
		acks, err := m.client.Commands.SubmitBatch(ctx, all)
		if err != nil {
			return err
		}
		for _, a := range acks {
			if err := client.AckError(a); err != nil {
				return err
			}
		}
		return nil
	})
	return rate * float64(len(peers)), err
}

func (r *run) transactions(ctx context.Context, k *etcdKeys) (float64, error) {
	return closed(ctx, len(k.revisions), r.window, k.put)
}

func (r *run) bigTransactions(ctx context.Context, k *etcdKeys) (float64, error) {
	rate, err := closed(ctx, 1, r.window, func(ctx context.Context, _ int) error { return k.putAll(ctx) })
	return rate * float64(len(k.revisions)), err
}

// background runs something until stop, which returns what it came to, each time.
func background(ctx context.Context, run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
}
