package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/store"
)

func label(id uint64, node, value, key string) *controlv1.Command {
	return &controlv1.Command{Id: id, Command: &controlv1.Command_UpdatePeer{UpdatePeer: &controlv1.UpdatePeerRequest{
		NodeId: node, Labels: map[string]string{"v": value}, Mutation: &controlv1.Mutation{IdempotencyKey: key},
	}}}
}

// gate is a log that holds appends back while it is closed.
type gate struct {
	store.Log
	closed atomic.Bool
	open   chan struct{}
}

func (g *gate) Publish(ctx context.Context, expect uint64, data []byte) error {
	if g.closed.Load() {
		select {
		case <-g.open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Log.Publish(ctx, expect, data)
}

// counting opens a gate once so many commands have come.
type counting struct {
	Submitter
	gate  *gate
	count atomic.Int64
	until int64
}

func (c *counting) Submit(ctx context.Context, r commands.Request) (commands.Receipt, error) {
	if c.count.Add(1) == c.until {
		c.gate.closed.Store(false)
		close(c.gate.open)
	}
	return c.Submitter.Submit(ctx, r)
}

func (c *counting) SubmitAll(ctx context.Context, rs []commands.Request, answer func(int, commands.Receipt, error)) {
	if n := int64(len(rs)); c.count.Add(n) >= c.until && c.count.Load()-n < c.until {
		c.gate.closed.Store(false)
		close(c.gate.open)
	}
	c.Submitter.SubmitAll(ctx, rs, answer)
}

// Commands of a batch share frames; each has its own ack.
func TestBatch(t *testing.T) {
	held := &gate{open: make(chan struct{})}
	counted := &counting{gate: held, until: 98}
	m := newMeshOn(t, func(log store.Log) store.Log {
		held.Log = log
		return held
	}, func(d *Deps) {
		counted.Submitter = d.Submitter
		d.Submitter = counted
	})
	m.join("n1")
	frames := m.frames()
	held.closed.Store(true)
	batch := &controlv1.CommandBatch{}
	for i := range uint64(100) {
		batch.Commands = append(batch.Commands, label(i, "n1", fmt.Sprint(i), ""))
	}
	batch.Commands[3] = label(3, "none", "x", "")
	batch.Commands[4] = &controlv1.Command{Id: 4}
	batch.Commands[5] = label(5, "n1", "x", "no key")
	acks := must[controlv1.AckBatch](t)(m.connect(m.h2).commands.SubmitBatch(deadline(t, 10_000), request(batch))).Msg.Acks
	want := map[uint64]string{3: "node_not_found", 4: "invalid_field", 5: "invalid_field"}
	for i, a := range acks {
		if a.Id != uint64(i) || a.Reason != want[a.Id] || (a.Code == 0) != (want[a.Id] == "") || (a.Receipt != nil) != (a.Code == 0) {
			t.Errorf("ack %d: %v", i, a)
		}
		if a.Code != 0 && (a.Detail.GetReason() != a.Reason || a.Message == "") {
			t.Errorf("ack %d: %v", i, a)
		}
	}
	// The first frame is under way with what came first; the rest waits, but for
	// the very last that may come after the gate.
	if n := m.frames() - frames; n > 5 {
		t.Errorf("98 commands took %d frames", n)
	}
}

// frames is the number of messages on the log.
func (m *mesh) frames() uint64 {
	m.t.Helper()
	n, err := m.log.Last(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// Every command of a stream is acknowledged once, and the same key has one
// effect however it came.
func TestCommandStream(t *testing.T) {
	m := newMesh(t)
	m.join("n1")
	c := m.connect(m.h2)
	s := c.commands.SubmitStream(deadline(t, 20_000))
	const batches, each = 40, 50
	key := newKey(t)
	go func() {
		for b := range uint64(batches) {
			batch := &controlv1.CommandBatch{}
			for i := range uint64(each) {
				batch.Commands = append(batch.Commands, label(b*each+i, "n1", fmt.Sprint(b, i), ""))
			}
			if s.Send(batch) != nil {
				return
			}
		}
		_ = s.Send(&controlv1.CommandBatch{Commands: []*controlv1.Command{label(100_000, "n1", "keyed", key)}})
		_ = s.CloseRequest()
	}()
	seen := map[uint64]*controlv1.Receipt{}
	messages := 0
	for {
		acks, err := s.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("receive: %v", err)
		}
		messages++
		for _, a := range acks.Acks {
			if a.Code != 0 || seen[a.Id] != nil {
				t.Fatalf("ack %v, before %v", a, seen[a.Id])
			}
			seen[a.Id] = a.Receipt
		}
	}
	if len(seen) != batches*each+1 {
		t.Errorf("%d acks of %d commands", len(seen), batches*each+1)
	}
	t.Logf("%d acks in %d messages", len(seen), messages)
	again := label(0, "n1", "keyed", key).GetUpdatePeer()
	r := must[controlv1.UpdatePeerResponse](t)(c.peers.UpdatePeer(deadline(t, 10_000), request(again))).Msg.Receipt
	if !r.Replayed || r.Position != seen[100_000].Position {
		t.Errorf("the same key by another way: %v, want a replay of %v", r, seen[100_000])
	}
}

// HTTP/1.1 has no streams in both directions, and says so.
func TestCommandStreamNeedsHTTP2(t *testing.T) {
	m := newMesh(t)
	s := m.connect(m.h1).commands.SubmitStream(deadline(t, 10_000))
	_ = s.Send(&controlv1.CommandBatch{})
	_, err := s.Receive()
	if connect.CodeOf(err) != connect.CodeUnimplemented && connect.CodeOf(err) != connect.CodeUnknown {
		t.Errorf("over HTTP/1.1: %v", err)
	}
}
