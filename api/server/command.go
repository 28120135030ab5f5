package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
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
	case *controlv1.Command_DrainPeer:
		return k.DrainPeer, controlv1.PeerControlServiceDrainPeerProcedure
	case *controlv1.Command_CancelDrainPeer:
		return k.CancelDrainPeer, controlv1.PeerControlServiceCancelDrainPeerProcedure
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

// ackAll decides commands and hands over the ack of each, in any order, all on
// this goroutine. What goes wrong with one, a panic included, is in its ack: the
// others have nothing to do with it.
func (s *Server) ackAll(ctx context.Context, c *call, cmds []*controlv1.Command, ack func(i int, a *controlv1.Ack)) {
	requests := make([]commands.Request, 0, len(cmds))
	asked := make([]int, 0, len(cmds)) // whose requests they are
	for i, cmd := range cmds {
		r, nack := s.prepare(c, cmd)
		if nack != nil {
			ack(i, nack)
			continue
		}
		requests, asked = append(requests, r), append(asked, i)
	}
	ctx, cancel := commandContext(ctx)
	defer cancel()
	s.deps.Submitter.SubmitAll(ctx, requests, func(n int, r commands.Receipt, err error) {
		ack(asked[n], s.ackOf(c, cmds[asked[n]], r, err))
	})
}

// ackOf is the ack of a command that came to a receipt or an error.
func (s *Server) ackOf(c *call, cmd *controlv1.Command, r commands.Receipt, err error) (ack *controlv1.Ack) {
	defer s.recovered(c, cmd, &ack)
	if err != nil {
		req, procedure := inner(cmd)
		return s.refuse(c, s.methods[procedure], cmd, req, markDecided(err))
	}
	return &controlv1.Ack{Id: cmd.GetId(), Receipt: receiptOf(r)}
}

// recovered is deferred: a panic becomes the command's ack.
func (s *Server) recovered(c *call, cmd *controlv1.Command, ack **controlv1.Ack) {
	if p := recover(); p != nil {
		*ack = s.nack(cmd.GetId(), s.finish(c, nil, p, nil))
	}
}

// prepare is the chain for a command inside a batch; nack is its refusal.
func (s *Server) prepare(c *call, cmd *controlv1.Command) (r commands.Request, nack *controlv1.Ack) {
	defer s.recovered(c, cmd, &nack)
	req, procedure := inner(cmd)
	if req == nil {
		return r, s.refuse(c, c.method, cmd, nil, badField("command", "one command in each entry", "is missing"))
	}
	m := s.methods[procedure]
	r, err := s.checkedRequest(c, m, req)
	if err != nil {
		return r, s.refuse(c, m, cmd, req, err)
	}
	return r, nil
}

func (s *Server) checkedRequest(c *call, m *method, req mutating) (commands.Request, error) {
	if !c.identity.Allows(m.scope) {
		return commands.Request{}, forbidden(c.identity, m)
	}
	if err := s.validate(req); err != nil {
		return commands.Request{}, err
	}
	return s.request(c, m.scope, req)
}

// refuse records the refusal of one command and is its ack.
func (s *Server) refuse(c *call, m *method, cmd *controlv1.Command, req mutating, err error) *controlv1.Ack {
	s.refused(c, m, req, err)
	return s.nack(cmd.GetId(), err)
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
	acks := make([]*controlv1.Ack, len(batch.GetCommands()))
	s.ackAll(ctx, callOf(ctx), batch.GetCommands(), func(i int, a *controlv1.Ack) { acks[i] = a })
	return &controlv1.AckBatch{Acks: acks}, nil
}

// submitStream decides commands as they come. One goroutine per message in
// flight, at most MaxInFlight commands: a caller that sends more is not read
// until acks have gone out. One goroutine sends, and merges what is ready.
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
	err := st.receive(ctx, p, func(cmds []*controlv1.Command) {
		deciding.Go(func() {
			s.ackAll(ctx, c, cmds, func(_ int, a *controlv1.Ack) { st.acks <- a })
		})
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
func (st *commandStream) receive(ctx context.Context, p pipe[controlv1.CommandBatch, controlv1.AckBatch], decide func([]*controlv1.Command)) error {
	for {
		batch, err := p.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive commands: %w", err)
		}
		// A batch that is larger than what may be in flight goes in parts.
		for part := range slices.Chunk(batch.GetCommands(), MaxBatch) {
			for range part {
				select {
				case st.slots <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			decide(part)
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
