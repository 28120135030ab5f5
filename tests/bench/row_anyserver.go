package main

import (
	"context"
	"errors"
)

// commandsAnywhere: three servers in processes of their own, new ones for each
// repetition, and the clients in this process. Ours ask one server, a standby,
// which forwards in batches, or the leader; those of etcd use all members in turn.
func commandsAnywhere(ctx context.Context, r *run) error {
	for _, c := range []struct {
		what   string
		ours   func(context.Context, *mesh, []*peer) (float64, error)
		target float64
	}{
		{"plain unary, 64 callers", r.unary, 1.2},
		{"coalesced by the command stream, 64 callers", r.coalesced, 4},
	} {
		for _, where := range []struct {
			name   string
			server func(leader int) int
		}{
			{"at a standby", func(leader int) int { return (leader + 1) % members }},
			{"at the leader", func(leader int) int { return leader }},
		} {
			if err := r.compare(ctx, c.what+", "+where.name, perSecond, ratioAtLeast(c.target),
				r.withTrio(64, where.server, c.ours), r.withEtcdTrio(64, r.transactions)); err != nil {
				return err
			}
		}
	}
	return nil
}

// withTrio runs a side against one of three new servers with so many nodes.
func (r *run) withTrio(nodes int, server func(leader int) int, fn func(context.Context, *mesh, []*peer) (float64, error)) side {
	return func(ctx context.Context) (v float64, err error) {
		t, err := r.newTrio(ctx, benchTTL)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		leader, err := t.leader(ctx)
		if err != nil {
			return 0, err
		}
		m, err := t.at(server(leader))
		if err != nil {
			return 0, err
		}
		defer m.client.Close()
		peers, err := m.peers(ctx, nodes)
		if err != nil {
			return 0, err
		}
		return fn(ctx, m, peers)
	}
}

// withEtcdTrio runs a side against three new members with so many keys.
func (r *run) withEtcdTrio(keys int, fn func(context.Context, *etcdKeys) (float64, error)) side {
	return func(ctx context.Context) (v float64, err error) {
		t, err := r.newEtcdTrio(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		c, err := etcdClient(t.urls()...)
		if err != nil {
			return 0, err
		}
		defer c.Close() //nolint:errcheck // its servers end with it
		k := newEtcdKeys(c, "bench", keys)
		if err := k.make(ctx); err != nil {
			return 0, err
		}
		return fn(ctx, k)
	}
}
