package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// mesh is our server in a process of its own, and a client of it.
type mesh struct {
	*server
	client *client.Client
}

// newMesh starts a server on an empty directory, whose sessions outlast any group.
func (r *run) newMesh(ctx context.Context) (*mesh, error) {
	dir, err := r.temp("server")
	if err != nil {
		return nil, err
	}
	return r.meshOn(ctx, dir)
}

func (r *run) meshOn(ctx context.Context, data string) (*mesh, error) {
	return r.meshWith(ctx, data, benchTTL)
}

func (r *run) meshWith(ctx context.Context, data string, ttl time.Duration) (*mesh, error) {
	s, err := r.serve(ctx, data, ttl)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.DefaultConfig(s.url))
	if err != nil {
		return nil, errors.Join(err, s.kill())
	}
	return &mesh{server: s, client: c}, nil
}

func (m *mesh) close() error {
	m.client.Close()
	return m.stop()
}

// peers opens sessions of n nodes. They last longer than any group: nobody sends
// heartbeats.
func (m *mesh) peers(ctx context.Context, n int) ([]*peer, error) {
	out := make([]*peer, n)
	err := parallel(ctx, 16, n, func(ctx context.Context, i int) error {
		id := nodeName(i)
		if _, err := openSession(ctx, m.client, id); err != nil {
			return err
		}
		rec, err := m.client.Peers.Get(ctx, &controlv1.GetPeerRequest{NodeId: id, Read: &controlv1.ReadOptions{
			Consistency: controlv1.Consistency_CONSISTENCY_LINEARIZABLE,
		}})
		out[i] = &peer{id: id, version: rec.GetVersion()}
		return err
	})
	return out, err
}

// peer is a node whose record is changed by one caller.
type peer struct {
	id      string
	version int64
}

// update is the command that etcd's transaction is held against.
func (p *peer) update() *controlv1.UpdatePeerRequest {
	u := &controlv1.UpdatePeerRequest{
		NodeId: p.id, Labels: map[string]string{"value": value(p.version)},
		Mutation: &controlv1.Mutation{Reason: "bench", IfVersion: p.version},
	}
	p.version++
	return u
}

func (p *peer) command() *controlv1.Command {
	return &controlv1.Command{Command: &controlv1.Command_UpdatePeer{UpdatePeer: p.update()}}
}

// namespace creates one, with nodes that own its shards, and waits until all
// have an owner.
func (m *mesh) namespace(ctx context.Context, name string, shards int32) error {
	if _, err := m.client.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{
		Namespace: name, ShardCount: shards, Mutation: &controlv1.Mutation{Reason: "bench"},
	}); err != nil {
		return err
	}
	return eventually(ctx, startWithin, "all shards have owners", func() error {
		page, err := m.client.Shards.Collect(ctx, &controlv1.ShardListRequest{Namespace: name, PageSize: 1000})
		if err != nil {
			return &fatal{err}
		}
		if len(page.Items) != int(shards) {
			return fmt.Errorf("there are %d of %d", len(page.Items), shards)
		}
		for _, rec := range page.Items {
			if rec.GetOwnerNodeId() == "" {
				return fmt.Errorf("shard %s has none", rec.GetShardId())
			}
		}
		return nil
	})
}
