package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// threeServers: from the start of three processes to the readiness of the last
// one, and what they take of memory.
func threeServers(ctx context.Context, r *run) error {
	if err := r.starts(ctx); err != nil {
		return err
	}
	return r.shardMemory(ctx)
}

// starts of both sides in turn: on empty directories, and again on what they hold
// after all were killed.
func (r *run) starts(ctx context.Context) error {
	ours := func(ctx context.Context) (*trio, error) { return r.newTrio(ctx, benchTTL) }
	var first, again [2][]float64
	for range r.reps {
		for i, start := range []func(context.Context) (*trio, error){ours, r.newEtcdTrio} {
			a, b, err := startTwice(ctx, start)
			if err != nil {
				return err
			}
			first[i], again[i] = append(first[i], a.Seconds()), append(again[i], b.Seconds())
		}
	}
	r.add("all started at once, empty directories, until all are ready", seconds, atMost(seconds, 3), first[0], first[1])
	r.add("the same again after kill -9 of all", seconds, atMost(seconds, 3), again[0], again[1])
	return nil
}

func startTwice(ctx context.Context, start func(context.Context) (*trio, error)) (first, again time.Duration, err error) {
	t, err := start(ctx)
	if err != nil {
		return 0, 0, err
	}
	first = t.startedIn
	if err := t.each((*server).kill); err != nil {
		return 0, 0, err
	}
	if err := t.startAll(ctx); err != nil {
		return 0, 0, err
	}
	return first, t.startedIn, t.close()
}

// shardMemory is what each server holds resident when shards have owners.
func (r *run) shardMemory(ctx context.Context) error {
	shards, nodes := 100_000/r.scale, 1000/r.scale
	var empty, leading, standing []float64
	for range r.reps {
		m, err := r.shardMemoryOnce(ctx, shards, nodes)
		if err != nil {
			return err
		}
		empty, leading, standing = append(empty, m[0]), append(leading, m[1]), append(standing, m[2])
	}
	what := fmt.Sprintf("memory, %d shards on %d nodes, ", shards, nodes)
	r.add("memory, nothing placed, the greatest", mebibytes, goal{}, empty, nil)
	r.add(what+"the leader", mebibytes, atMost(mebibytes, 400), leading, nil)
	r.add(what+"the greater standby", mebibytes, atMost(mebibytes, 400), standing, nil)
	return nil
}

// shardMemoryOnce is that of the greatest before, of the leader and of the
// greater standby, in MiB.
func (r *run) shardMemoryOnce(ctx context.Context, shards, nodes int) (m [3]float64, err error) {
	t, err := r.newTrio(ctx, benchTTL)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	all, err := t.all()
	if err != nil {
		return m, err
	}
	defer all.client.Close()
	leader, standby, err := r.memory(ctx, t)
	if err != nil {
		return m, err
	}
	m[0] = max(leader, standby)
	if _, err := all.peers(ctx, nodes); err != nil {
		return m, err
	}
	if _, err := all.client.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{
		Namespace: "big", ShardCount: int32(shards), Mutation: &controlv1.Mutation{Reason: "bench"},
	}); err != nil {
		return m, err
	}
	if err := t.each(func(s *server) error { return awaitOwned(ctx, s, shards) }); err != nil {
		return m, err
	}
	m[1], m[2], err = r.memory(ctx, t)
	return m, err
}

// awaitOwned waits until a server shows an owner for every shard.
func awaitOwned(ctx context.Context, s *server, shards int) error {
	c, err := client.New(client.DefaultConfig(s.url))
	if err != nil {
		return err
	}
	defer c.Close()
	return eventually(ctx, startWithin, "all shards have owners", func() error {
		status, err := c.System.Status(ctx, &controlv1.GetStatusRequest{})
		if n := status.GetShards(); err == nil && (n.GetTotal() != int64(shards) || n.GetUnowned() > 0) {
			err = fmt.Errorf("%d of %d, %d without owner", n.GetTotal(), shards, n.GetUnowned())
		}
		return err
	})
}

// memory is what the leader and the greater standby have resident when nobody
// has asked them anything for a while, in MiB.
func (r *run) memory(ctx context.Context, t *trio) (leader, standby float64, err error) {
	if err := r.settle(ctx); err != nil {
		return 0, 0, err
	}
	first, err := t.leader(ctx)
	if err != nil {
		return 0, 0, err
	}
	for i, s := range t.servers {
		bytes, err := s.resident()
		if err != nil {
			return 0, 0, err
		}
		if i == first {
			leader = bytes / (1 << 20)
		} else {
			standby = max(standby, bytes/(1<<20))
		}
	}
	return leader, standby, nil
}
