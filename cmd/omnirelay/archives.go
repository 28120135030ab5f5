package main

import (
	"context"
	"errors"
	"io"

	"connectrpc.com/connect"

	"github.com/omnirelay/omnirelay/api/client"
	"github.com/omnirelay/omnirelay/api/server"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	commandline "github.com/omnirelay/omnirelay/cli"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
)

// archives are the verbs of mesh log that work without a server.
type archives struct{}

// Verify implements commandline.Archives.
func (archives) Verify(ctx context.Context, r io.Reader) (*controlv1.VerifyResponse, error) {
	answer := &controlv1.VerifyResponse{}
	_, err := archive.Verify(bounded{ctx, r}, func(at store.Mark, f *eventsv1.Frame) {
		answer.Frames++
		answer.Events += int64(events.CountEvents(f))
		answer.Position, answer.HeadHash = int64(at.Position), at.Hash.String()
	})
	var fault *archive.Fault
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &fault):
		answer.Problem, answer.ProblemPosition = fault.Error(), int64(fault.Position)
	case err != nil:
		return nil, err
	}
	answer.Ok = err == nil
	return answer, nil
}

// Restore implements commandline.Archives.
func (archives) Restore(ctx context.Context, r io.Reader, o commandline.RestoreOptions) (*controlv1.RestoreSummary, error) {
	reason := o.Reason
	if reason == "" {
		reason = "restored from an archive"
	}
	made, err := node.Restore(ctx, bounded{ctx, r}, node.RestoreConfig{
		Data: o.Data, Name: o.Name, Position: events.Position(o.Position), Above: events.Position(o.Above), Settle: o.Settle,
		By: archive.By{Reason: reason, ChangeTicket: o.Ticket}, DryRun: o.DryRun,
	})
	if err != nil {
		return nil, restoreError(err)
	}
	return &controlv1.RestoreSummary{
		Archive: server.ArchiveSummary(made.Archive), Data: o.Data, Era: int64(made.Mark.Era), RestoredPosition: int64(made.Position),
		Next: int64(made.Mark.Position), SettleMs: made.Settle.Milliseconds(), HeadHash: made.Mark.Hash.String(), DryRun: o.DryRun,
	}, nil
}

// restoreError gives the errors that a caller can act on their exit codes.
func restoreError(err error) error {
	switch {
	case errors.Is(err, archive.ErrPosition) || errors.Is(err, archive.ErrFormat):
		return &client.Error{Code: connect.CodeInvalidArgument, Reason: "invalid_field", Message: err.Error()}
	case errors.Is(err, node.ErrNotEmpty) || errors.Is(err, store.ErrLocked):
		return &client.Error{Code: connect.CodeFailedPrecondition, Reason: "directory_not_empty", Message: err.Error()}
	}
	return err
}

// bounded ends reads when ctx does.
type bounded struct {
	ctx context.Context
	r   io.Reader
}

func (b bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.r.Read(p)
}
