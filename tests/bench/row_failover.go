package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

const (
	// attemptFor is how long an attempt of a prober of one server may take.
	attemptFor = 100 * time.Millisecond
	// usualFor is the same for the clients with their own settings, which try
	// again inside and know all servers.
	usualFor = 10 * time.Second
	// failoverRounds of each kind of end.
	failoverRounds = 10
	// settledFor is how long a leader has led before it ends: ours has brought the
	// replicas of the log under itself by then.
	settledFor = 3 * time.Second
)

// failover: both clusters are up; in turn the leader of one ends, is started
// again, and leads or not.
func failover(ctx context.Context, r *run) (err error) {
	ours, err := r.ourPlane(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.close()) }()
	theirs, err := r.etcdPlane(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, theirs.close()) }()
	rounds := failoverRounds
	if r.scale > 1 {
		rounds = 1
	}
	for _, c := range []struct {
		what         string
		how          func(*server) error
		median, most goal
	}{
		{"kill -9", (*server).kill, allOf(atMost(seconds, 1), ratioAtMost(1)), atMost(seconds, 2)},
		{"SIGTERM", (*server).stop, atMost(seconds, 0.25), goal{}},
	} {
		var o, t outages
		for range rounds {
			if err := o.round(ctx, r, ours, c.how); err != nil {
				return fmt.Errorf("%s, ours: %w", c.what, err)
			}
			if err := t.round(ctx, r, theirs, c.how); err != nil {
				return fmt.Errorf("%s, etcd: %w", c.what, err)
			}
		}
		r.add(fmt.Sprintf("%s, median of %d", c.what, rounds), seconds, c.median, o.short, t.short)
		r.add(fmt.Sprintf("%s, longest of %d", c.what, rounds), seconds, c.most, longest(o.short), longest(t.short))
		r.add(c.what+", one client of all servers with its own settings and "+usualFor.String()+", median", seconds, goal{}, o.usual, t.usual)
		r.add("the same, longest", seconds, goal{}, longest(o.usual), longest(t.usual))
	}
	return nil
}

func longest(v []float64) []float64 { return []float64{slices.Max(v)} }

// plane is a cluster and who sends to it.
type plane struct {
	*trio
	// at are by the number of the server that they ask, usual asks any.
	at     []send
	usual  send
	closes []func()
}

func (p *plane) close() error {
	for _, c := range p.closes {
		c()
	}
	return p.trio.close()
}

func (r *run) ourPlane(ctx context.Context) (*plane, error) {
	t, err := r.newTrio(ctx, benchTTL)
	if err != nil {
		return nil, err
	}
	p := &plane{trio: t}
	all, err := t.all()
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.closes = append(p.closes, all.client.Close)
	p.usual = updateOf(all.client)
	if _, err := all.peers(ctx, 1); err != nil {
		return nil, errors.Join(err, p.close())
	}
	for _, s := range t.servers {
		cfg := client.DefaultConfig(s.url)
		cfg.CallTimeout, cfg.AttemptTimeout = attemptFor, attemptFor
		c, err := client.New(cfg)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.closes = append(p.closes, c.Close)
		p.at = append(p.at, updateOf(c))
	}
	return p, nil
}

// updateOf changes the label of a node, whatever it was.
func updateOf(c *client.Client) send {
	return func(ctx context.Context) error {
		_, err := c.Peers.Update(ctx, &controlv1.UpdatePeerRequest{
			NodeId: nodeName(0), Labels: map[string]string{"value": value(time.Now().UnixNano())},
			Mutation: &controlv1.Mutation{Reason: "bench"},
		})
		return err
	}
}

func (r *run) etcdPlane(ctx context.Context) (*plane, error) {
	t, err := r.newEtcdTrio(ctx)
	if err != nil {
		return nil, err
	}
	p := &plane{trio: t}
	for i := range members + 1 {
		urls := t.urls() // of the last client
		if i < members {
			urls = urls[i : i+1]
		}
		c, err := etcdClient(urls...)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.closes = append(p.closes, func() { _ = c.Close() })
		p.at = append(p.at, putOf(c))
	}
	p.at, p.usual = p.at[:members], p.at[members]
	return p, nil
}

// putOf changes a key, whatever it was.
func putOf(c *clientv3.Client) send {
	return func(ctx context.Context) error {
		_, err := c.Put(ctx, "probe", value(time.Now().UnixNano()))
		return err
	}
}

// outages are what the rounds of a cluster came to, in seconds.
type outages struct{ short, usual []float64 }

// round ends the leader and measures how long nothing is acknowledged, at the
// others and by who knows all; then the server is started again.
func (o *outages) round(ctx context.Context, r *run, p *plane, how func(*server) error) error {
	if _, err := p.leader(ctx); err != nil {
		return err
	}
	others := probe(ctx, attemptFor, p.at...)
	defer others.end()
	if err := pause(ctx, settledFor/time.Duration(r.scale)); err != nil {
		return err
	}
	others.end()
	leader, err := p.leader(ctx)
	if err != nil {
		return err
	}
	others = probe(ctx, attemptFor, p.at[(leader+1)%members], p.at[(leader+2)%members])
	defer others.end()
	usual := probe(ctx, usualFor, p.usual)
	defer usual.end()
	if err := errors.Join(others.await(ctx, time.Time{}), usual.await(ctx, time.Time{})); err != nil {
		return err
	}
	began := time.Now()
	if err := how(p.servers[leader]); err != nil {
		return err
	}
	ended := time.Now()
	if err := errors.Join(others.await(ctx, ended), usual.await(ctx, ended)); err != nil {
		return err
	}
	others.end()
	usual.end()
	o.short = append(o.short, others.longest(began, ended).Seconds())
	o.usual = append(o.usual, usual.longest(began, ended).Seconds())
	return p.restart(ctx, leader)
}
