package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// members is how many servers each cluster has.
const members = 3

// trio is a cluster of three servers, each in a process of its own: ours or
// etcd's. Servers are numbered from 0.
type trio struct {
	servers []*server
	// launch starts one on its address and directory, and does not wait.
	launch func(ctx context.Context, i int) (*server, error)
	// named is the server that one of them says to be the leader; none is -1.
	named func(ctx context.Context, i int) (int, error)
	// startedIn is the time from the start of the first process to the readiness
	// of the last one.
	startedIn time.Duration
}

// newTrio starts our three servers on empty directories.
func (r *run) newTrio(ctx context.Context, ttl time.Duration) (*trio, error) {
	dir, err := r.temp("trio")
	if err != nil {
		return nil, err
	}
	if _, err := r.build(ctx); err != nil { // not part of a start
		return nil, err
	}
	addresses, err := freeAddresses(2 * members)
	if err != nil {
		return nil, err
	}
	t := &trio{}
	t.launch = func(ctx context.Context, i int) (*server, error) {
		name := fmt.Sprintf("s%d", i+1)
		return r.launch(ctx, serveConfig{
			name: name, address: addresses[members+i], data: dir + "/" + name, ttl: ttl,
			route: addresses[i], peers: addresses[:members],
		})
	}
	t.named = func(ctx context.Context, i int) (int, error) {
		c, err := client.New(client.DefaultConfig(t.servers[i].url))
		if err != nil {
			return -1, err
		}
		defer c.Close()
		s, err := c.System.Status(ctx, &controlv1.GetStatusRequest{})
		return slices.Index([]string{"s1", "s2", "s3"}, s.GetLeader()), err
	}
	return t, t.startAll(ctx)
}

// newEtcdTrio starts three servers of etcd on empty directories.
func (r *run) newEtcdTrio(ctx context.Context) (*trio, error) {
	cfgs, err := r.etcdConfigs(members)
	if err != nil {
		return nil, err
	}
	t := &trio{launch: func(_ context.Context, i int) (*server, error) { return launchEtcd(cfgs[i]) }}
	t.named = func(ctx context.Context, i int) (int, error) {
		id, err := etcdStatus(ctx, t.servers[i].url)
		if err != nil || id.leader == 0 {
			return -1, err
		}
		for j, s := range t.servers {
			if other, err := etcdStatus(ctx, s.url); err == nil && other.self == id.leader {
				return j, nil
			}
		}
		return -1, nil
	}
	return t, t.startAll(ctx)
}

// etcdIDs are the ids of a member and of the one that it takes for the leader.
type etcdIDs struct{ self, leader uint64 }

func etcdStatus(ctx context.Context, url string) (etcdIDs, error) {
	c, err := etcdClient(url)
	if err != nil {
		return etcdIDs{}, err
	}
	defer c.Close() //nolint:errcheck // nothing is under way
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := c.Status(ctx, url)
	if err != nil {
		return etcdIDs{}, err
	}
	return etcdIDs{s.Header.MemberId, s.Leader}, nil
}

// startAll starts all servers at once and waits until all are ready; on an
// error it ends those that it started.
func (t *trio) startAll(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, t.each((*server).kill))
		}
	}()
	began := time.Now()
	t.servers = nil
	for i := range members {
		s, err := t.launch(ctx, i)
		if err != nil {
			return err
		}
		t.servers = append(t.servers, s)
	}
	if err := t.each(func(s *server) error { return s.await(ctx) }); err != nil {
		return err
	}
	t.startedIn = time.Since(began)
	return nil
}

// each does something with all servers at the same time.
func (t *trio) each(do func(*server) error) error {
	errs := make([]error, len(t.servers))
	var wg sync.WaitGroup
	for i, s := range t.servers {
		wg.Go(func() { errs[i] = do(s) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// close stops all servers, together: there is nobody to hand over to.
func (t *trio) close() error { return t.each((*server).stop) }

// restart starts a server that has ended, and waits until it is ready.
func (t *trio) restart(ctx context.Context, i int) error {
	s, err := t.launch(ctx, i)
	if err != nil {
		return err
	}
	t.servers[i] = s
	return s.await(ctx)
}

// urls are those of all servers but some.
func (t *trio) urls(but ...int) []string {
	var urls []string
	for i, s := range t.servers {
		if !slices.Contains(but, i) {
			urls = append(urls, s.url)
		}
	}
	return urls
}

// leader waits until all servers name the same leader.
func (t *trio) leader(ctx context.Context) (leader int, err error) {
	err = eventually(ctx, startWithin, "the servers have one leader", func() error {
		leader = -1
		for i := range t.servers {
			named, err := t.named(ctx, i)
			switch {
			case err != nil:
				return err
			case named < 0:
				return fmt.Errorf("server %d names none", i)
			case leader >= 0 && named != leader:
				return fmt.Errorf("server %d names server %d, another names server %d", i, named, leader)
			}
			leader = named
		}
		return nil
	})
	return leader, err
}

// at is a server of ours with a client of it alone. The trio ends the server.
func (t *trio) at(i int) (*mesh, error) {
	c, err := client.New(client.DefaultConfig(t.servers[i].url))
	return &mesh{server: t.servers[i], client: c}, err
}

// all is a client of all servers, which talks to any one of them.
func (t *trio) all() (*mesh, error) {
	c, err := client.New(client.DefaultConfig(t.urls()...))
	return &mesh{client: c}, err
}
