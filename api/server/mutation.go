package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
)

// mutating is a request that carries a Mutation.
type mutating interface {
	proto.Message
	GetMutation() *controlv1.Mutation
}

// mutate decides the command of a request and waits until it is stored.
func (s *Server) mutate(ctx context.Context, req mutating) (*controlv1.Receipt, error) {
	c := callOf(ctx)
	receipt, key, err := s.submit(ctx, c, c.method.scope, req)
	c.key = key
	if err != nil {
		return nil, err
	}
	s.awaitShown(ctx, receipt)
	c.answered(receipt.Position)
	return receiptOf(receipt), nil
}

// submit turns a request into a command and submits it. key is the idempotency
// key that was used.
func (s *Server) submit(ctx context.Context, c *call, scope controlv1.Scope, req mutating) (r commands.Receipt, key string, err error) {
	cmd, err := s.request(c, scope, req)
	if err != nil {
		return r, "", err
	}
	ctx, cancel := commandContext(ctx)
	defer cancel()
	r, err = s.deps.Submitter.Submit(ctx, cmd)
	return r, uuid.UUID(cmd.Key).String(), markDecided(err)
}

// awaitShown waits until this server's reads show what was decided, so that who
// creates something finds it with the next call. It is a courtesy, and bounded: a
// command that is stored is answered as done. Commands in bulk do not wait, their
// callers have minPosition.
func (s *Server) awaitShown(ctx context.Context, r commands.Receipt) {
	if r.DryRun {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ShowWait)
	defer cancel()
	_ = s.deps.Views.WaitFor(ctx, r.Position)
}

// commandContext bounds the wait of a caller that names no deadline.
func commandContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, limited := ctx.Deadline(); limited {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, CommandWait)
}

// request is what the sequencer is asked for. It only reads the call: the
// commands of a stream share one.
func (s *Server) request(c *call, scope controlv1.Scope, req mutating) (commands.Request, error) {
	cmd, err := s.commandOf(req)
	if err != nil {
		return commands.Request{}, err
	}
	actor, err := actorOf(c, scope, req)
	if err != nil {
		return commands.Request{}, err
	}
	m := req.GetMutation()
	id, err := s.keyOf(m)
	if err != nil {
		return commands.Request{}, err
	}
	hash, err := hashOf(req, m)
	if err != nil {
		return commands.Request{}, err
	}
	return commands.Request{
		Command: cmd, Actor: actor, Reason: m.GetReason(), ChangeTicket: m.GetChangeTicket(),
		CorrelationID: correlation(c, m), CausationID: m.GetCausationId(),
		Key: commands.Key(id), Hash: hash, IfVersion: uint64(m.GetIfVersion()), DryRun: m.GetDryRun(),
	}, nil
}

// keyOf is the key of a mutation, or a new one. A new one is dated by the log's
// time where that is ahead of this server's clock, which was set back: by its own
// it would be refused as expired.
func (s *Server) keyOf(m *controlv1.Mutation) (uuid.UUID, error) {
	if m.GetIdempotencyKey() != "" {
		return uuid.Parse(m.IdempotencyKey)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return id, err
	}
	if v, err := s.deps.Views.View(); err == nil {
		defer v.Release()
		if ms := v.Mark.Time / int64(time.Millisecond); ms > time.Now().UnixMilli() {
			var date [8]byte
			binary.BigEndian.PutUint64(date[:], uint64(ms)<<16)
			copy(id[:6], date[:6])
		}
	}
	return id, nil
}

// hashOf is what tells two requests with one key apart: the kind of request and
// all its fields but the key.
func hashOf(req proto.Message, m *controlv1.Mutation) (out events.Hash, err error) {
	if m.GetIdempotencyKey() != "" {
		key := m.IdempotencyKey
		m.IdempotencyKey = ""
		defer func() { m.IdempotencyKey = key }()
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return out, err
	}
	h := sha256.New()
	h.Write([]byte(req.ProtoReflect().Descriptor().FullName()))
	h.Write([]byte{0})
	h.Write(b)
	h.Sum(out[:0])
	return out, nil
}

// correlation is what ties a decision to the work of its caller: what the
// mutation names, else what the request does. A request id that this server
// made up would tie it to nothing.
func correlation(c *call, m *controlv1.Mutation) string {
	if id := m.GetCorrelationId(); id != "" {
		return id
	}
	for _, header := range []string{headerCorrelation, headerRequestID} {
		if id := c.header.Get(header); id != "" && validateTexts([]text{{header, id, MaxReference}}) == nil {
			return id
		}
	}
	return ""
}

// actorOf is who asks for a command. What a node asks for itself is the node's,
// unless the caller said who it is.
func actorOf(c *call, scope controlv1.Scope, req proto.Message) (string, error) {
	node := ""
	if scope == controlv1.Scope_SCOPE_MEMBER {
		node = actingNode(req)
	}
	if node == "" {
		return c.identity.Actor, nil
	}
	if err := commands.CheckName("nodeId", node); err != nil {
		return "", err
	}
	if !c.identity.MayActAs(node) {
		return "", notItself(c.identity, node)
	}
	if c.identity.Asserted {
		return c.identity.Actor, nil
	}
	return "node/" + node, nil
}

// actingNode is the node that acts by a request; empty when an operator does.
func actingNode(req proto.Message) string {
	switch r := req.(type) {
	case *controlv1.ResignRequest:
		if r.SessionId == 0 {
			return ""
		}
		return r.NodeId
	case interface{ GetNodeId() string }:
		return r.GetNodeId()
	}
	return ""
}

func receiptOf(r commands.Receipt) *controlv1.Receipt {
	out := &controlv1.Receipt{Position: int64(r.Position), Replayed: r.Replayed, DryRun: r.DryRun}
	if r.Time != 0 {
		out.Time = timestamppb.New(time.Unix(0, r.Time))
	}
	for _, e := range r.Events {
		out.Events = append(out.Events, events.TypeOf(e))
	}
	return out
}
