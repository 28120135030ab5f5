package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/store"
)

// The costs of this package over a loopback connection, client included; what
// they are beside etcd's is measured in tests/bench.

func BenchmarkListThousand(b *testing.B) {
	m := newMesh(b)
	m.namespace("demo", 2000)
	session := m.join("n1")
	ids := make([]uint32, 2000)
	for i := range ids {
		ids[i] = uint32(i)
	}
	m.assign("demo", "n1", session, ids...)
	c := m.connect(m.h2)
	b.Run("connect", func(b *testing.B) {
		for b.Loop() {
			r, err := c.shards.List(b.Context(), request(&controlv1.ShardListRequest{Namespace: "demo", PageSize: 1000}))
			if err != nil || len(r.Msg.Shards) != 1000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("rest", func(b *testing.B) {
		for b.Loop() {
			r, err := http.NewRequest(http.MethodGet, "/control/shards?namespace=demo&pageSize=1000", nil)
			if err != nil {
				b.Fatal(err)
			}
			if w := m.serve(r); w.Code != http.StatusOK {
				b.Fatal(w.Body)
			}
		}
	})
	b.Run("handler", func(b *testing.B) {
		ctx := withCall(b.Context(), &call{encoding: encodingProto, header: map[string][]string{}})
		for b.Loop() {
			if _, err := m.server.listShards(ctx, &controlv1.ShardListRequest{Namespace: "demo", PageSize: 1000}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("diff", func(b *testing.B) {
		for b.Loop() {
			r, err := c.shards.Diff(b.Context(), request(&controlv1.ShardDiffRequest{Namespace: "demo", FromToken: 1, Limit: 1000}))
			if err != nil || len(r.Msg.Diffs) < 1000 {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	m := newMesh(b)
	m.namespace("demo", 1000)
	for name, c := range map[string]clients{"h1": m.connect(m.h1), "h2c": m.connect(m.h2)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := c.shards.Get(b.Context(), request(&controlv1.GetShardRequest{Namespace: "demo", ShardId: "17"}))
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("handler", func(b *testing.B) {
		c := &call{encoding: encodingProto, header: map[string][]string{}}
		ctx := withCall(b.Context(), c)
		for b.Loop() {
			if _, err := m.server.getShard(ctx, &controlv1.GetShardRequest{Namespace: "demo", ShardId: "17"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLookup is reads by a stream with two messages in flight, in messages
// of 64.
func BenchmarkLookup(b *testing.B) {
	m := newMesh(b)
	m.namespace("demo", 1000)
	s := m.connect(m.h2).shards.Lookup(b.Context())
	q := &controlv1.BatchGetShardsRequest{}
	for i := range 64 {
		q.Refs = append(q.Refs, &controlv1.ShardRef{Namespace: "demo", ShardId: fmt.Sprint(i * 7)})
	}
	window := make(chan struct{}, 2)
	var sending sync.WaitGroup
	n := 0
	b.ResetTimer()
	sending.Go(func() {
		for range b.N/64 + 1 {
			window <- struct{}{}
			if s.Send(q) != nil {
				return
			}
		}
	})
	for n < b.N {
		r, err := s.Receive()
		if err != nil {
			b.Fatal(err)
		}
		n += len(r.Shards)
		<-window
	}
	b.StopTimer()
	sending.Wait()
	_ = s.CloseRequest()
}

// disk is a log that takes as long as a fast disk to sync.
type disk struct{ store.Log }

func (d disk) Publish(ctx context.Context, expect uint64, data []byte) error {
	<-time.After(400 * time.Microsecond)
	return d.Log.Publish(ctx, expect, data)
}

// BenchmarkCommandStream is commands by a stream with two messages in flight.
func BenchmarkCommandStream(b *testing.B) {
	for _, size := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m := newMeshOn(b, func(log store.Log) store.Log { return disk{log} })
			m.join("n1")
			s := m.connect(m.h2).commands.SubmitStream(b.Context())
			batch := &controlv1.CommandBatch{}
			for i := range size {
				batch.Commands = append(batch.Commands, label(uint64(i), "n1", "", ""))
			}
			b.ResetTimer()
			sent, acked := 0, 0
			for acked < b.N {
				for sent < acked+2*size {
					for i, c := range batch.Commands {
						c.GetUpdatePeer().Labels["v"] = fmt.Sprint(sent + i)
					}
					if err := s.Send(batch); err != nil {
						b.Fatal(err)
					}
					sent += size
				}
				r, err := s.Receive()
				if err != nil {
					b.Fatal(err)
				}
				acked += len(r.Acks)
			}
			b.StopTimer()
			b.ReportMetric(float64(acked)/float64(m.frames()), "commands/frame")
			_ = s.CloseRequest()
		})
	}
}
