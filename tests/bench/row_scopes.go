package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// scopeTTL of sessions and leases: the least that etcd grants by its defaults.
const scopeTTL = 2 * time.Second

// scopes: one node holds them, another one is a candidate for each. The holder
// falls silent right after a heartbeat was answered, which is the longest that
// it can take.
func scopes(ctx context.Context, r *run) (err error) {
	t, err := r.newTrio(ctx, scopeTTL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	e, err := r.newEtcdTrio(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := r.compare(ctx, "one scope", seconds, atMost(seconds, scopeTTL.Seconds()+0.5),
		r.scopesOf(t, 1), r.electionsOf(e, 1)); err != nil {
		return err
	}
	n := 1000 / r.scale
	return r.compare(ctx, fmt.Sprintf("%d scopes at once, p99", n), seconds, atMost(seconds, 5),
		r.scopesOf(t, n), r.electionsOf(e, n))
}

// session is a node's, kept alive by who calls beat.
type session struct {
	client *client.Client
	node   string
	id     int64
}

func secretOf(node string) []byte { return []byte("secret-of-" + node + "-in-the-bench") }

func openSession(ctx context.Context, c *client.Client, node string) (*session, error) {
	res, err := c.Sessions.Open(ctx, &controlv1.OpenSessionRequest{
		NodeId: node, Role: "worker", Secret: secretOf(node), Incarnation: 1,
		Mutation: &controlv1.Mutation{Reason: "bench"},
	})
	return &session{client: c, node: node, id: res.GetSessionId()}, err
}

func (s *session) beat(ctx context.Context) error {
	_, err := s.client.Sessions.Heartbeat(ctx, &controlv1.HeartbeatRequest{NodeId: s.node, SessionId: s.id, Secret: secretOf(s.node)})
	return err
}

// keep sends heartbeats until it is stopped.
func (s *session) keep(ctx context.Context, every time.Duration) (stop func() error) {
	return background(ctx, func(ctx context.Context) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			if err := s.beat(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// campaign for so many scopes; who is first holds them.
func (s *session) campaign(ctx context.Context, name string, n int) error {
	return parallel(ctx, 16, n, func(ctx context.Context, i int) error {
		_, err := s.client.Leaders.Campaign(ctx, &controlv1.CampaignRequest{
			Scope: fmt.Sprintf("%s-%d", name, i), NodeId: s.node, SessionId: s.id, Mutation: &controlv1.Mutation{Reason: "bench"},
		})
		return err
	})
}

// scopesOf is the time until the successor is seen, of the slowest hundredth.
func (r *run) scopesOf(t *trio, n int) side {
	return func(ctx context.Context) (v float64, err error) {
		m, err := t.all()
		if err != nil {
			return 0, err
		}
		defer m.client.Close()
		r.serial++
		name := fmt.Sprintf("scope-%d", r.serial)
		holder, err := openSession(ctx, m.client, name+"-holder")
		if err != nil {
			return 0, err
		}
		silence := holder.keep(ctx, scopeTTL/4)
		defer func() { err = errors.Join(err, silence()) }()
		if err := holder.campaign(ctx, name, n); err != nil {
			return 0, err
		}
		successor, err := openSession(ctx, m.client, name+"-successor")
		if err != nil {
			return 0, err
		}
		stop := successor.keep(ctx, scopeTTL/4)
		defer func() { err = errors.Join(err, stop()) }()
		grants := grantsOf(ctx, m.client, successor.node)
		defer grants.stop()
		if err := successor.campaign(ctx, name, n); err != nil {
			return 0, err
		}
		if err := silence(); err != nil {
			return 0, err
		}
		if err := holder.beat(ctx); err != nil {
			return 0, err
		}
		return grants.await(ctx, time.Now(), n)
	}
}

// grants are seen by a subscriber.
type grants struct {
	seen chan time.Time
	err  chan error
	stop context.CancelFunc
}

// grantsOf subscribes to what a node comes to lead.
func grantsOf(ctx context.Context, c *client.Client, node string) *grants {
	ctx, cancel := context.WithCancel(ctx)
	g := &grants{seen: make(chan time.Time, 4096), err: make(chan error, 1), stop: cancel}
	go func() {
		for e, err := range c.Leaders.Subscribe(ctx, &controlv1.LeadershipSubscribeRequest{}) {
			if err != nil {
				g.err <- err
				return
			}
			if e.GetLeaderId() == node && e.GetToken() != nil {
				g.seen <- time.Now()
			}
		}
	}()
	return g
}

// await is the time from a moment to the last grant but the slowest hundredth.
func (g *grants) await(ctx context.Context, since time.Time, n int) (float64, error) {
	took := make([]float64, 0, n)
	over := time.NewTimer(probeWithin)
	defer over.Stop()
	for len(took) < n {
		select {
		case at := <-g.seen:
			took = append(took, at.Sub(since).Seconds())
		case err := <-g.err:
			return 0, err
		case <-over.C:
			return 0, fmt.Errorf("%d of %d scopes have a successor after %s", len(took), n, probeWithin)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return quantile(took, 0.99), nil
}

// electionsOf is the same by etcd's recipe for elections: one lease for all keys
// of a candidate, a watch for each.
func (r *run) electionsOf(t *trio, n int) side {
	return func(ctx context.Context) (v float64, err error) {
		r.serial++
		name := fmt.Sprintf("scope-%d", r.serial)
		holder, closeHolder, err := electorate(t)
		if err != nil {
			return 0, err
		}
		defer closeHolder()
		if err := parallel(ctx, 16, n, func(ctx context.Context, i int) error {
			return concurrency.NewElection(holder, fmt.Sprintf("%s/%d/", name, i)).Campaign(ctx, "holder")
		}); err != nil {
			return 0, err
		}
		successor, closeSuccessor, err := electorate(t)
		if err != nil {
			return 0, err
		}
		defer closeSuccessor()
		g := &grants{seen: make(chan time.Time, n), err: make(chan error, n)}
		for i := range n {
			go func() {
				if err := concurrency.NewElection(successor, fmt.Sprintf("%s/%d/", name, i)).Campaign(ctx, "successor"); err != nil {
					g.err <- err
					return
				}
				g.seen <- time.Now()
			}()
		}
		if err := awaitKeys(ctx, successor.Client(), name+"/", 2*n); err != nil {
			return 0, err
		}
		holder.Orphan() // no keepalive any more
		if _, err := holder.Client().KeepAliveOnce(ctx, holder.Lease()); err != nil {
			return 0, err
		}
		return g.await(ctx, time.Now(), n)
	}
}

// electorate is a session with a client of its own.
func electorate(t *trio) (*concurrency.Session, func(), error) {
	c, err := etcdClient(t.urls()...)
	if err != nil {
		return nil, nil, err
	}
	s, err := concurrency.NewSession(c, concurrency.WithTTL(int(scopeTTL.Seconds())))
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return s, func() {
		s.Orphan()
		_ = c.Close()
	}, nil
}

// awaitKeys waits until all candidates are known.
func awaitKeys(ctx context.Context, c *clientv3.Client, prefix string, n int) error {
	return eventually(ctx, startWithin, "all candidates are known", func() error {
		res, err := c.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err == nil && res.Count != int64(n) {
			err = fmt.Errorf("there are %d keys, want %d", res.Count, n)
		}
		return err
	})
}
