package client

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Commander submits the commands of many goroutines over one stream. It is
// for heavy callers: 64 of them get several times the throughput of single
// calls, one loses nothing.
//
// Run must be running for Submit to get anywhere.
type Commander struct {
	c  *Client
	co *coalescer[*controlv1.Command, *controlv1.Receipt]
}

// NewCommander makes a Commander.
func (c *Client) NewCommander() *Commander {
	co := newCoalescer[*controlv1.Command, *controlv1.Receipt](c)
	co.open = func(ctx context.Context) conduit[*controlv1.Command, *controlv1.Receipt] {
		s := c.Commands.rpc.SubmitStream(ctx)
		c.setHeader(s.RequestHeader())
		return &commandStream{c: c, s: s}
	}
	co.unary = func(ctx context.Context, entries []*entry[*controlv1.Command, *controlv1.Receipt], answer func(uint64, *controlv1.Receipt, *Error)) error {
		req := connect.NewRequest(commandBatch(entries))
		c.setHeader(req.Header())
		res, err := c.Commands.rpc.SubmitBatch(ctx, req)
		if err != nil {
			return err
		}
		c.seen.note(res.Header())
		answerAcks(res.Msg, answer)
		return nil
	}
	return &Commander{c: c, co: co}
}

// Run sends until ctx ends, and returns when all its goroutines have. It may
// be called once.
func (m *Commander) Run(ctx context.Context) error { return m.co.run(ctx) }

// Submit submits one command and waits for its receipt. The command is the
// Commander's from now on: its id and idempotency key are set, and it must not
// be used again, even after an error.
func (m *Commander) Submit(ctx context.Context, command *controlv1.Command) (*controlv1.Receipt, error) {
	slot := commandMutation(command)
	if slot == nil {
		return nil, emptyCommand(0)
	}
	k := newKeyIn(slot)
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.c.cfg.CallTimeout)
		defer cancel()
	}
	waits := backoff{min: m.c.cfg.BackoffMin, max: m.c.cfg.BackoffMax}
	for {
		o := m.co.do(ctx, command)
		if o.err == nil {
			return o.res, nil
		}
		if o.verdict == unknown {
			k.unknown = true
		}
		if o.stopped {
			k.mark(o.err)
			return nil, o.err
		}
		if o.verdict == final {
			if k.redate(o.err) {
				continue
			}
			o.verdict = judgeAck(o.err)
			if o.verdict == final {
				return nil, k.settle(o.err)
			}
			k.unknown = k.unknown || o.verdict == unknown
			if !pause(ctx, waits.next(o.err.RetryAfter)) {
				return nil, m.c.gaveUp(ctx, o.err, k)
			}
		}
		if ctx.Err() != nil {
			return nil, m.c.gaveUp(ctx, o.err, k)
		}
	}
}

// judgeAck judges an error that the server gave one command.
func judgeAck(e *Error) verdict {
	switch e.Code {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled:
		return unknown
	case connect.CodeResourceExhausted:
		if e.RetryAfter > 0 {
			return again
		}
	}
	return final
}

type commandStream struct {
	c     *Client
	s     *connect.BidiStreamForClient[controlv1.CommandBatch, controlv1.AckBatch]
	heard bool
}

func (p *commandStream) send(entries []*entry[*controlv1.Command, *controlv1.Receipt]) error {
	return p.s.Send(commandBatch(entries))
}

func (p *commandStream) receive(answer func(uint64, *controlv1.Receipt, *Error)) error {
	acks, err := p.s.Receive()
	if err != nil {
		return fmt.Errorf("command stream: %w", err)
	}
	if !p.heard {
		p.heard = true
		p.c.seen.note(p.s.ResponseHeader())
	}
	answerAcks(acks, answer)
	return nil
}

func (p *commandStream) close() {
	_ = p.s.CloseRequest() // of a stream that is lost: an error says nothing new
}

func commandBatch(entries []*entry[*controlv1.Command, *controlv1.Receipt]) *controlv1.CommandBatch {
	batch := &controlv1.CommandBatch{Commands: make([]*controlv1.Command, len(entries))}
	for i, e := range entries {
		e.req.Id = e.id
		batch.Commands[i] = e.req
	}
	return batch
}

func answerAcks(batch *controlv1.AckBatch, answer func(uint64, *controlv1.Receipt, *Error)) {
	for _, ack := range batch.GetAcks() {
		answer(ack.GetId(), ack.GetReceipt(), ackError(ack))
	}
}
