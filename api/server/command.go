package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
)

// CommandService: commands in bulk. Each is decided as if it had come alone;
// they only share frames and messages.

func (s *Server) registerCommands() {
	handleUnary(s, controlv1.CommandServiceSubmitBatchProcedure, s.submitBatch)
	handleBidi(s, controlv1.CommandServiceSubmitStreamProcedure, s.submitStream)
}

// inner returns the request inside a command, nil when there is none, and the
// RPC that it is of.
func inner(c *controlv1.Command) (mutating, string) {
	switch k := c.GetCommand().(type) {
	case *controlv1.Command_CordonPeer:
		return k.CordonPeer, controlv1.PeerControlServiceCordonPeerProcedure
	case *controlv1.Command_UncordonPeer:
		return k.UncordonPeer, controlv1.PeerControlServiceUncordonPeerProcedure
	case *controlv1.Command_UpdatePeer:
		return k.UpdatePeer, controlv1.PeerControlServiceUpdatePeerProcedure
	case *controlv1.Command_CreateNamespace:
		return k.CreateNamespace, controlv1.NamespaceControlServiceCreateNamespaceProcedure
	case *controlv1.Command_UpdateNamespace:
		return k.UpdateNamespace, controlv1.NamespaceControlServiceUpdateNamespaceProcedure
	case *controlv1.Command_DeleteNamespace:
		return k.DeleteNamespace, controlv1.NamespaceControlServiceDeleteNamespaceProcedure
	case *controlv1.Command_MoveShards:
		return k.MoveShards, controlv1.ShardControlServiceMoveProcedure
	case *controlv1.Command_CancelShardMoves:
		return k.CancelShardMoves, controlv1.ShardControlServiceCancelMoveProcedure
	case *controlv1.Command_PauseShards:
		return k.PauseShards, controlv1.ShardControlServicePauseProcedure
	case *controlv1.Command_ResumeShards:
		return k.ResumeShards, controlv1.ShardControlServiceResumeProcedure
	case *controlv1.Command_Campaign:
		return k.Campaign, controlv1.LeadershipControlServiceCampaignProcedure
	case *controlv1.Command_Resign:
		return k.Resign, controlv1.LeadershipControlServiceResignProcedure
	}
	return nil, ""
}

// ack decides one command of a batch. What goes wrong, a panic included, is in
// the ack: the other commands of the batch have nothing to do with it.
func (s *Server) ack(ctx context.Context, c *call, cmd *controlv1.Command) (ack *controlv1.Ack) {
	defer func() {
		if p := recover(); p != nil {
			ack = s.nack(cmd.GetId(), s.finish(c, nil, p, nil))
		}
	}()
	req, procedure := inner(cmd)
	if req == nil {
		err := badField("command", "one command in each entry", "is missing")
		s.refused(c, c.method, nil, err)
		return s.nack(cmd.GetId(), err)
	}
	m := s.methods[procedure]
	receipt, err := s.decide(ctx, c, m, req)
	if err != nil {
		s.refused(c, m, req, err)
		return s.nack(cmd.GetId(), err)
	}
	return &controlv1.Ack{Id: cmd.GetId(), Receipt: receiptOf(receipt)}
}

// decide is the chain for a command inside a batch.
func (s *Server) decide(ctx context.Context, c *call, m *method, req mutating) (commands.Receipt, error) {
	if !c.identity.Allows(m.scope) {
		return commands.Receipt{}, forbidden(c.identity, m)
	}
	if err := s.validate(req); err != nil {
		return commands.Receipt{}, err
	}
	receipt, _, err := s.submit(ctx, c, m.scope, req)
	return receipt, err
}

func (s *Server) nack(id uint64, err error) *controlv1.Ack {
	f := failureOf(err)
	var sent *connect.Error
	if errors.As(err, &sent) && f.code == connect.CodeUnknown {
		f = internal(err)
	}
	_, head := s.logName()
	return &controlv1.Ack{Id: id, Code: uint32(f.code), Message: f.message, Reason: f.reason, Detail: f.detail(head)}
}

// submitBatch decides all commands at once and answers in their order.
func (s *Server) submitBatch(ctx context.Context, batch *controlv1.CommandBatch) (*controlv1.AckBatch, error) {
	c := callOf(ctx)
	acks := make([]*controlv1.Ack, len(batch.GetCommands()))
	var all sync.WaitGroup
	for i, cmd := range batch.GetCommands() {
		all.Go(func() { acks[i] = s.ack(ctx, c, cmd) })
	}
	all.Wait()
	return &controlv1.AckBatch{Acks: acks}, nil
}

// submitStream decides commands as they come. One goroutine per command in
// flight, at most MaxInFlight: a caller that sends more is not read until acks
// have gone out. One goroutine sends, and merges what is ready.
func (s *Server) submitStream(ctx context.Context, p pipe[controlv1.CommandBatch, controlv1.AckBatch]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := callOf(ctx)
	st := &commandStream{acks: make(chan *controlv1.Ack, MaxInFlight), slots: make(chan struct{}, MaxInFlight)}
	var deciding, sending sync.WaitGroup
	var sendErr error
	sending.Go(func() {
		if sendErr = st.send(p); sendErr != nil {
			cancel() // nobody hears the rest
		}
	})
	err := st.receive(ctx, p, func(cmd *controlv1.Command) {
		deciding.Go(func() { st.acks <- s.ack(ctx, c, cmd) })
	})
	deciding.Wait()
	close(st.acks)
	sending.Wait()
	return errors.Join(err, sendErr)
}

// commandStream is the state of one stream. acks has room for all commands in
// flight, so that who decides never waits for the sender.
type commandStream struct {
	acks  chan *controlv1.Ack
	slots chan struct{}
}

// receive reads batches until the caller has no more.
func (st *commandStream) receive(ctx context.Context, p pipe[controlv1.CommandBatch, controlv1.AckBatch], decide func(*controlv1.Command)) error {
	for {
		batch, err := p.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive commands: %w", err)
		}
		for _, cmd := range batch.GetCommands() {
			select {
			case st.slots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			decide(cmd)
		}
	}
}

// send merges all acks that are ready into each message. The commands of one
// frame are answered one after the other: yielding once lets them all be ready.
func (st *commandStream) send(p pipe[controlv1.CommandBatch, controlv1.AckBatch]) error {
	var failed error
	for first := range st.acks {
		runtime.Gosched()
		batch := &controlv1.AckBatch{Acks: []*controlv1.Ack{first}}
		for more := true; more && len(batch.Acks) < MaxBatch; {
			select {
			case ack, open := <-st.acks:
				if more = open; open {
					batch.Acks = append(batch.Acks, ack)
				}
			default:
				more = false
			}
		}
		for range batch.Acks {
			<-st.slots
		}
		if failed == nil { // after a failure the rest is only drained
			failed = p.send(batch)
		}
	}
	return failed
}
