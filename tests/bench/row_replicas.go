package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/omnirelay/omnirelay/store/natslog"
)

// replicatedInProcess: three stores with their sequencers, of which one leads,
// beside three members of etcd, all in this process. The callers of ours are at
// the leader; those of etcd use all members over gRPC, or the leader by a call.
func replicatedInProcess(ctx context.Context, r *run) (err error) {
	labs, err := r.newLabs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(labs)) }()
	etcds, urls, err := r.openEtcds(ctx)
	if err != nil {
		return err
	}
	defer closeEtcds(etcds)
	overGRPC, err := etcdClient(urls...)
	if err != nil {
		return err
	}
	defer overGRPC.Close() //nolint:errcheck // the servers end beside it
	direct, err := directClient(ctx, etcds)
	if err != nil {
		return err
	}
	leader := labs[0]
	workers, err := leader.workers(ctx, 64)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		callers int
		what    string
		goal    float64
	}{{1, "1 caller", 1.2}, {16, "16 callers", 3}, {64, "64 callers", 6}} {
		got, err := r.alternate(ctx, leader.closed(workers[:c.callers], r, false),
			etcdClosed(overGRPC, c.callers, r), etcdClosed(direct, c.callers, r))
		if err != nil {
			return err
		}
		r.add(c.what+", Txn over gRPC", perSecond, ratioAtLeast(c.goal), got[0], got[1])
		r.add(c.what+", Txn by a call in process of the leader", perSecond, goal{}, got[0], got[2])
	}
	return nil
}

// newLabs opens three stores and their sequencers, of which the first leads and
// hosts the log.
func (r *run) newLabs(ctx context.Context) (labs []*lab, err error) {
	dir, err := r.temp("logs")
	if err != nil {
		return nil, err
	}
	routes, err := freeAddresses(members)
	if err != nil {
		return nil, err
	}
	stores := make([]*natslog.Store, members)
	err = parallel(ctx, members, members, func(ctx context.Context, i int) error {
		name := fmt.Sprintf("s%d", i+1)
		cfg := natslog.DefaultConfig(filepath.Join(dir, name), "c1")
		cfg.Logger, cfg.ServerName, cfg.Route, cfg.Peers = quiet(), name+"-00000000", routes[i], routes
		var err error
		stores[i], err = natslog.Open(ctx, cfg)
		return err
	})
	for i, s := range stores {
		if s != nil {
			labs = append(labs, labOn(s, fmt.Sprintf("s%d", i+1), true))
		}
	}
	if err == nil {
		err = elect(ctx, labs)
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(labs))
	}
	return labs, nil
}

// elect has the first of several lead, on its own replicas.
func elect(ctx context.Context, labs []*lab) error {
	for _, l := range labs {
		l.run(ctx)
	}
	first := labs[0]
	if err := eventually(ctx, startWithin, "the first server hosts log and register", func() error {
		return bring(ctx, first.store)
	}); err != nil {
		return err
	}
	first.seq.Campaign()
	return first.awaitAuthority(ctx)
}

// bring asks for the leaders of log and register, and looks for a while whether
// they came: an election among the replicas may still end otherwise.
func bring(ctx context.Context, s *natslog.Store) error {
	ask, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.MoveLeaders(ask, "s1"); err != nil {
		return err
	}
	return eventually(ctx, 2*time.Second, "they came", func() error {
		if log, register := s.Hosts(); !log || !register {
			return fmt.Errorf("log %t, register %t", log, register)
		}
		return nil
	})
}

// closeAll ends all at once: the last of them would wait for the others.
func closeAll(labs []*lab) error {
	errs := make([]error, len(labs))
	var wg sync.WaitGroup
	for i, l := range labs {
		wg.Go(func() { errs[i] = l.close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// openEtcds starts three members in this process.
func (r *run) openEtcds(ctx context.Context) (etcds []*embed.Etcd, urls []string, err error) {
	cfgs, err := r.etcdConfigs(members)
	if err != nil {
		return nil, nil, err
	}
	etcds = make([]*embed.Etcd, members)
	err = parallel(ctx, members, members, func(ctx context.Context, i int) error {
		var err error
		etcds[i], err = openEtcd(ctx, cfgs[i])
		return err
	})
	for _, c := range cfgs {
		urls = append(urls, c.Client)
	}
	if err != nil {
		closeEtcds(etcds)
	}
	return etcds, urls, err
}

func closeEtcds(etcds []*embed.Etcd) {
	var wg sync.WaitGroup
	for _, e := range etcds {
		if e != nil {
			wg.Go(e.Close)
		}
	}
	wg.Wait()
}

// directClient calls the leader without any network.
func directClient(ctx context.Context, etcds []*embed.Etcd) (c *clientv3.Client, err error) {
	err = eventually(ctx, startWithin, "etcd has a leader", func() error {
		for _, e := range etcds {
			if e.Server.Leader() == e.Server.MemberID() {
				c = v3client.New(e.Server)
				return nil
			}
		}
		return errors.New("no member leads")
	})
	return c, err
}
