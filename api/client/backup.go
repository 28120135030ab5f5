package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Backup writes an archive of the log to w, up to the log's end at the call, and
// returns what it holds when all of it was written and its sum is right. After an
// error what was written is no archive. It may take long: give ctx a deadline that
// fits. One server is asked once, as two would send two archives.
func (l *Log) Backup(ctx context.Context, w io.Writer) (*controlv1.ArchiveSummary, error) {
	ctx, cancel := l.c.deadline(ctx)
	defer cancel()
	a := &attempt{endpoint: l.c.endpoints.pick()}
	req := connect.NewRequest(&controlv1.BackupRequest{})
	l.c.setHeader(req.Header())
	stream, err := l.rpc.Backup(withAttempt(ctx, a), req)
	if err != nil {
		return nil, l.backupFailed(ctx, a, err)
	}
	defer func() { _ = stream.Close() }() // what it says was heard by Receive
	got := received{w: w, sum: sha256.New()}
	for stream.Receive() {
		if err := got.take(stream.Msg()); err != nil {
			return nil, err
		}
	}
	if err := stream.Err(); err != nil {
		return nil, l.backupFailed(ctx, a, err)
	}
	return got.archive()
}

func (l *Log) backupFailed(ctx context.Context, a *attempt, err error) error {
	if judge(ctx, a, err) == final && ctx.Err() == nil {
		return asError(err)
	}
	l.c.endpoints.failed(a.endpoint)
	return l.c.gaveUp(ctx, asError(err), nil)
}

// received is an archive on its way through.
type received struct {
	w       io.Writer
	bytes   int64
	sum     hash.Hash
	summary *controlv1.ArchiveSummary
}

func (r *received) take(chunk *controlv1.BackupChunk) error {
	if s := chunk.GetSummary(); s != nil {
		r.summary = s
		return nil
	}
	r.sum.Write(chunk.GetData()) // never fails
	n, err := r.w.Write(chunk.GetData())
	r.bytes += int64(n)
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

func (r *received) archive() (*controlv1.ArchiveSummary, error) {
	if r.summary == nil {
		return nil, &Error{Code: connect.CodeUnavailable, Message: fmt.Sprintf("the archive ended early, after %d bytes", r.bytes)}
	}
	if sum := hex.EncodeToString(r.sum.Sum(nil)); r.bytes != r.summary.GetBytes() || sum != r.summary.GetSha256() {
		return nil, &Error{Code: connect.CodeDataLoss, Message: fmt.Sprintf("the archive came damaged: %d bytes with SHA-256 %s, sent were %d with %s",
			r.bytes, sum, r.summary.GetBytes(), r.summary.GetSha256())}
	}
	return r.summary, nil
}

// Seal ends the log: every later command is refused until Unseal.
func (l *Log) Seal(ctx context.Context, req *controlv1.SealRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, l.c, l.rpc.Seal, req)
	return res.GetReceipt(), err
}

// Unseal takes the seal away.
func (l *Log) Unseal(ctx context.Context, req *controlv1.UnsealRequest) (*controlv1.Receipt, error) {
	res, err := mutate(ctx, l.c, l.rpc.Unseal, req)
	return res.GetReceipt(), err
}
