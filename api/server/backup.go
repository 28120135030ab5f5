package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
)

// backupChunk is the size of a piece of an archive on the wire, in bytes.
const backupChunk = 256 << 10

// backup streams an archive of the log up to its end at the call. It reads as any
// follower does: commands go on, and a slow caller holds nobody up (V2).
func (s *Server) backup(ctx context.Context, _ *controlv1.BackupRequest, out sink[controlv1.BackupChunk]) error {
	select {
	case s.verifying <- struct{}{}:
		defer func() { <-s.verifying }()
	default:
		return tooMany("backup_busy", "%d walks over the log are under way, which is the limit", maxVerifying)
	}
	header, err := s.archiveHeader(ctx)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(chunks{out}, backupChunk)
	a, err := archive.NewWriter(w, header)
	if err != nil {
		return err
	}
	err = s.deps.Log.Follow(ctx, 1, func(msg store.Message) error {
		if err := a.Append(msg); err != nil {
			return err
		}
		if msg.Sequence == header.Mark.Sequence {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		return err
	}
	summary, err := a.Close()
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return err
	}
	return out(&controlv1.BackupChunk{Chunk: &controlv1.BackupChunk_Summary{Summary: ArchiveSummary(summary)}}, note{})
}

// archiveHeader is of the log as it is now.
func (s *Server) archiveHeader(ctx context.Context) (archive.Header, error) {
	last, err := s.deps.Log.Last(ctx)
	if err != nil {
		return archive.Header{}, err
	}
	if last == 0 {
		return archive.Header{}, unavailable("log_empty", "the log has no frame yet")
	}
	msg, err := s.deps.Log.Load(ctx, last)
	if err != nil {
		return archive.Header{}, fmt.Errorf("backup: %w", err)
	}
	mark, err := markOf(msg)
	return archive.Header{Cluster: s.deps.ClusterID, Created: time.Now().UnixNano(), Mark: mark}, err
}

// chunks sends what is written.
type chunks struct{ out sink[controlv1.BackupChunk] }

// Write implements [io.Writer]. Who sends may keep the message, so it gets bytes
// of its own.
func (c chunks) Write(b []byte) (int, error) {
	err := c.out(&controlv1.BackupChunk{Chunk: &controlv1.BackupChunk_Data{Data: bytes.Clone(b)}}, note{})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// ArchiveSummary is what the API says of an archive.
func ArchiveSummary(a archive.Summary) *controlv1.ArchiveSummary {
	return &controlv1.ArchiveSummary{
		ClusterId: a.Cluster, LogId: a.Mark.LogID.String(), Era: int64(a.Mark.Era), Frames: int64(a.Mark.Sequence),
		Position: int64(a.Mark.Position), HeadHash: a.Mark.Hash.String(), Time: timestamppb.New(time.Unix(0, a.Mark.Time)),
		CreatedAt: timestamppb.New(time.Unix(0, a.Created)), Bytes: a.Bytes, Sha256: hex.EncodeToString(a.Sum[:]),
	}
}

func (s *Server) seal(ctx context.Context, q *controlv1.SealRequest) (*controlv1.SealResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.SealResponse{Receipt: receipt}, err
}

func (s *Server) unseal(ctx context.Context, q *controlv1.UnsealRequest) (*controlv1.UnsealResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.UnsealResponse{Receipt: receipt}, err
}
