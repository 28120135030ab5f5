package main

import (
	"context"
	"errors"
)

// commandsAnywhere: three servers in processes of their own, new ones for each
// repetition, and the clients in this process. Ours ask one server, a standby,
// which forwards in batches, or the leader; those of etcd use all members in turn.
func commandsAnywhere(ctx context.Context, r *run) error {
	const callers = 64
	var ours [4][]float64
	var theirs []float64
	for range r.reps {
		got, err := r.atOurTrio(ctx, callers)
		if err != nil {
			return err
		}
		for i, v := range got {
			ours[i] = append(ours[i], v)
		}
		v, err := r.atEtcdTrio(ctx, callers)
		if err != nil {
			return err
		}
		theirs = append(theirs, v)
	}
	for i, l := range anywhere() {
		r.add(l.what, perSecond, ratioAtLeast(l.target), ours[i], theirs)
	}
	return nil
}

// callersAt are callers of a server that is so many away from the leader.
type callersAt struct {
	what   string
	away   int
	ours   func(*run, context.Context, *mesh, []*peer) (float64, error)
	target float64
}

func anywhere() [4]callersAt {
	return [...]callersAt{
		{"plain unary, 64 callers, at a standby", 1, (*run).unary, 1.2},
		{"plain unary, 64 callers, at the leader", 0, (*run).unary, 1.2},
		{"coalesced by the command stream, 64 callers, at a standby", 1, (*run).coalesced, 4},
		{"coalesced by the command stream, 64 callers, at the leader", 0, (*run).coalesced, 4},
	}
}

// atOurTrio measures each line of ours once, on three new servers.
func (r *run) atOurTrio(ctx context.Context, callers int) (rates [4]float64, err error) {
	t, err := r.newTrio(ctx, benchTTL)
	if err != nil {
		return rates, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	leader, err := t.leader(ctx)
	if err != nil {
		return rates, err
	}
	all, err := t.all()
	if err != nil {
		return rates, err
	}
	defer all.client.Close()
	peers, err := all.peers(ctx, callers)
	if err != nil {
		return rates, err
	}
	for i, l := range anywhere() {
		m, err := t.at((leader + l.away) % members)
		if err != nil {
			return rates, err
		}
		rates[i], err = l.ours(r, ctx, m, peers)
		m.client.Close()
		if err != nil {
			return rates, err
		}
	}
	return rates, nil
}

// atEtcdTrio is the rate of transactions with three new members.
func (r *run) atEtcdTrio(ctx context.Context, callers int) (v float64, err error) {
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
	k := newEtcdKeys(c, "bench", callers)
	if err := k.make(ctx); err != nil {
		return 0, err
	}
	return r.transactions(ctx, k)
}
