package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// The client and this server agree: coalesced commands and reads, pages,
// watches, tails, and errors with their details.
func TestWithTheClient(t *testing.T) {
	for name, protocol := range map[string]client.Protocol{"mixed": client.ProtocolMixed, "h2c": client.ProtocolH2C, "h1": client.ProtocolHTTP1} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t)
			m.join("n1")
			m.namespace("demo", 250)
			cfg := client.DefaultConfig(m.url)
			cfg.Protocol = protocol
			c, err := client.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			m.coalesced(t, c)
			m.listed(t, c)
			m.watched(t, c)
		})
	}
}

// coalesced is many callers at once.
func (m *mesh) coalesced(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, stop := context.WithCancel(deadline(t, 20_000))
	commander, lookuper := c.NewCommander(), c.NewLookuper()
	var running, calling sync.WaitGroup
	running.Go(func() { _ = commander.Run(ctx) })
	running.Go(func() { _ = lookuper.Run(ctx) })
	for i := range 200 {
		calling.Go(func() {
			r, err := commander.Submit(ctx, label(0, "n1", fmt.Sprint(i), ""))
			if err != nil || r.Position == 0 {
				t.Errorf("command %d: %v, %v", i, r, err)
			}
			row, err := lookuper.Lookup(ctx, "demo", fmt.Sprint(i), r.GetPosition())
			if err != nil || row.ShardId != fmt.Sprint(i) {
				t.Errorf("lookup %d: %v, %v", i, row, err)
			}
		})
	}
	calling.Wait()
	_, err := lookuper.Lookup(ctx, "demo", "9999", 0)
	wantReason(t, err, "shard_unknown")
	_, err = commander.Submit(ctx, label(0, "n9", "x", ""))
	wantReason(t, err, "node_not_found")
	stop()
	running.Wait()
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Reason != reason {
		t.Errorf("%v, want the reason %s", err, reason)
	}
}

// listed is pages, errors and what an answer says about itself.
func (m *mesh) listed(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := deadline(t, 20_000)
	page, err := c.Shards.Collect(ctx, &controlv1.ShardListRequest{Namespace: "demo", PageSize: 99})
	if err != nil || len(page.Items) != 250 {
		t.Errorf("%d shards, %v", len(page.Items), err)
	}
	if log, p := c.LastPosition(); log != "c1.1" || p < int64(m.head()) {
		t.Errorf("last position %s %d, head %d", log, p, m.head())
	}
	_, err = c.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{Namespace: "demo", ShardCount: 1})
	wantReason(t, err, "namespace_exists")
	_, err = c.Namespaces.Update(ctx, &controlv1.UpdateNamespaceRequest{Namespace: "demo", Mutation: &controlv1.Mutation{IfVersion: 9}})
	wantReason(t, err, "version_mismatch")
	n := int64(0)
	for e, err := range c.Log.Tail(ctx, &controlv1.TailRequest{After: new(int64), UntilHead: true}) {
		if n++; err != nil || e.Position != n {
			t.Fatalf("tail at %d: %v, %v", n, e, err)
		}
	}
	if n < int64(m.head()) {
		t.Errorf("the tail ends at %d, head %d", n, m.head())
	}
}

// watched is a snapshot and the changes after it.
func (m *mesh) watched(t *testing.T, c *client.Client) {
	t.Helper()
	rows, changes := 0, 0
	for n, err := range c.Shards.Watch(deadline(t, 20_000), &controlv1.ShardWatchRequest{Namespace: "demo"}) {
		if err != nil {
			t.Fatalf("watch after %d rows and %d changes: %v", rows, changes, err)
		}
		if n.History == nil {
			if rows++; rows == 250 {
				m.do(pause("demo", 1, 2, 3))
			}
			continue
		}
		if changes++; changes == 3 {
			return
		}
	}
}
