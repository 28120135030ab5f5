package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	etcdserverpb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

const (
	beatEvery = time.Second
	// beatTTL is the default of sessions, and for leases.
	beatTTL = 5 * time.Second
)

// beats: what signs of life cost the leader, and that they write nothing.
func beats(ctx context.Context, r *run) (err error) {
	n := 1000 / r.scale
	var idle, leader, other, grown, idleTheirs, leaderTheirs, otherTheirs []float64
	for range r.reps {
		ours, err := r.ourBeats(ctx, n)
		if err != nil {
			return err
		}
		theirs, err := r.etcdBeats(ctx, n)
		if err != nil {
			return err
		}
		idle, leader, other, grown = append(idle, ours.idle), append(leader, ours.leader), append(other, ours.other), append(grown, ours.grown)
		idleTheirs, leaderTheirs, otherTheirs = append(idleTheirs, theirs.idle), append(leaderTheirs, theirs.leader), append(otherTheirs, theirs.other)
	}
	r.add("processor time of the leader before, without sessions", ofCore, goal{}, idle, idleTheirs)
	r.add(fmt.Sprintf("processor time of the leader, %d sessions", n), ofCore, atMost(ofCore, 0.2), leader, leaderTheirs)
	r.add("of another server", ofCore, goal{}, other, otherTheirs)
	r.add("events on the log meanwhile", count, atMost(count, 0), grown, nil)
	return nil
}

// load is what signs of life cost: parts of a core, and events.
type load struct{ idle, leader, other, grown float64 }

func (r *run) ourBeats(ctx context.Context, n int) (l load, err error) {
	t, err := r.newTrio(ctx, beatTTL)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if l.idle, _, err = r.shares(ctx, t); err != nil {
		return l, err
	}
	nodes := make([]beater, n)
	if err := parallel(ctx, 16, n, func(ctx context.Context, i int) error {
		c, err := client.New(client.DefaultConfig(t.servers[i%members].url))
		if err != nil {
			return err
		}
		s, err := openSession(ctx, c, nodeName(i))
		nodes[i] = beater{beat: s.beat, close: c.Close}
		return err
	}); err != nil {
		return l, err
	}
	stop := keepAll(ctx, nodes)
	defer func() { err = errors.Join(err, stop()) }()
	m, err := t.all()
	if err != nil {
		return l, err
	}
	defer m.client.Close()
	if err := r.settle(ctx); err != nil {
		return l, err
	}
	before, err := m.position(ctx)
	if err != nil {
		return l, err
	}
	if l.leader, l.other, err = r.shares(ctx, t); err != nil {
		return l, err
	}
	after, err := m.position(ctx)
	l.grown = float64(after - before)
	return l, err
}

// position is the end of the log.
func (m *mesh) position(ctx context.Context) (int64, error) {
	page, err := m.client.Peers.List(ctx, &controlv1.ListPeersRequest{PageSize: 1, Read: &controlv1.ReadOptions{
		Consistency: controlv1.Consistency_CONSISTENCY_LINEARIZABLE,
	}})
	if err != nil {
		return 0, err
	}
	return page.Position, nil
}

func (r *run) etcdBeats(ctx context.Context, n int) (l load, err error) {
	t, err := r.newEtcdTrio(ctx)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if l.idle, _, err = r.shares(ctx, t); err != nil {
		return l, err
	}
	nodes := make([]beater, n)
	if err := parallel(ctx, 16, n, func(call context.Context, i int) error {
		c, err := etcdClient(t.servers[i%members].url)
		if err != nil {
			return err
		}
		nodes[i].close = func() { _ = c.Close() }
		lease, err := c.Grant(call, int64(beatTTL.Seconds()))
		if err != nil {
			return err
		}
		stream, err := etcdserverpb.NewLeaseClient(c.ActiveConnection()).LeaseKeepAlive(ctx)
		nodes[i].beat = func(context.Context) error {
			if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(lease.ID)}); err != nil {
				return err
			}
			_, err := stream.Recv()
			return err
		}
		return err
	}); err != nil {
		return l, err
	}
	stop := keepAll(ctx, nodes)
	defer func() { err = errors.Join(err, stop()) }()
	l.leader, l.other, err = r.shares(ctx, t)
	return l, err
}

// beater is a node: how it says that it lives, and the end of its client.
type beater struct {
	beat  func(context.Context) error
	close func()
}

// keepAll has every node say that it lives, spread over the time between.
func keepAll(ctx context.Context, nodes []beater) (stop func() error) {
	stops := make([]func() error, len(nodes))
	for i, n := range nodes {
		first := beatEvery * time.Duration(i) / time.Duration(len(nodes))
		stops[i] = background(ctx, func(ctx context.Context) error { return n.keep(ctx, first) })
	}
	return func() error {
		var err error
		for i, n := range nodes {
			err = errors.Join(err, stops[i]())
			n.close()
		}
		return err
	}
}

func (b beater) keep(ctx context.Context, first time.Duration) error {
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		timer.Reset(beatEvery)
		if err := b.beat(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// shares are the parts of a core that the leader and, on average, another server
// use. They are measured when the cluster has settled.
func (r *run) shares(ctx context.Context, t *trio) (leader, other float64, err error) {
	first, err := t.leader(ctx)
	if err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, settledFor/time.Duration(r.scale)); err != nil {
		return 0, 0, err
	}
	used := func() (all [members]time.Duration, err error) {
		for i, s := range t.servers {
			d, failed := s.processor()
			all[i], err = d, errors.Join(err, failed)
		}
		return all, err
	}
	began := time.Now()
	before, err := used()
	if err != nil {
		return 0, 0, err
	}
	if err := r.settle(ctx); err != nil {
		return 0, 0, err
	}
	after, err := used()
	if err != nil {
		return 0, 0, err
	}
	took := time.Since(began).Seconds()
	for i := range members {
		share := (after[i] - before[i]).Seconds() / took
		if i == first {
			leader = share
		} else {
			other += share / (members - 1)
		}
	}
	last, err := t.leader(ctx)
	if err == nil && last != first {
		err = fmt.Errorf("the leader changed from server %d to %d while it was measured", first, last)
	}
	return leader, other, err
}
