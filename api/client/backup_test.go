package client_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

func data(b string) *controlv1.BackupChunk {
	return &controlv1.BackupChunk{Chunk: &controlv1.BackupChunk_Data{Data: []byte(b)}}
}

func summary(b string) *controlv1.BackupChunk {
	sum := sha256.Sum256([]byte(b))
	return &controlv1.BackupChunk{Chunk: &controlv1.BackupChunk_Summary{Summary: &controlv1.ArchiveSummary{
		Position: 42, Bytes: int64(len(b)), Sha256: hex.EncodeToString(sum[:]),
	}}}
}

// backed asks for a backup of a server that sends these chunks.
func backed(t *testing.T, chunks ...*controlv1.BackupChunk) (string, *controlv1.ArchiveSummary, error) {
	t.Helper()
	f := &fake{backup: func(s *connect.ServerStream[controlv1.BackupChunk]) error {
		for _, c := range chunks {
			if err := s.Send(c); err != nil {
				return err
			}
		}
		return nil
	}}
	c := dial(t, nil, serve(t, f.handler()).URL)
	var b bytes.Buffer
	a, err := c.Log.Backup(t.Context(), &b)
	return b.String(), a, err
}

func TestBackup(t *testing.T) {
	got, a, err := backed(t, data("one, "), data("two"), summary("one, two"))
	if err != nil || got != "one, two" || a.GetPosition() != 42 {
		t.Errorf("%q, %v, %v", got, a, err)
	}
}

// TestBackupThatIsNone: what ended early or came damaged is an error, never a
// summary.
func TestBackupThatIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		chunks []*controlv1.BackupChunk
		code   connect.Code
		words  string
	}{
		"cut":     {[]*controlv1.BackupChunk{data("one, ")}, connect.CodeUnavailable, "ended early"},
		"nothing": {nil, connect.CodeUnavailable, "ended early"},
		"damaged": {[]*controlv1.BackupChunk{data("one! "), data("two"), summary("one, two")}, connect.CodeDataLoss, "came damaged"},
		"missing": {[]*controlv1.BackupChunk{data("two"), summary("one, two")}, connect.CodeDataLoss, "came damaged"},
	} {
		_, a, err := backed(t, c.chunks...)
		var e *client.Error
		if a != nil || !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message, c.words) {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no room")

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestBackupNowhere: an error of the writer is the backup's; a server that is not
// there is unavailable.
func TestBackupNowhere(t *testing.T) {
	f := &fake{backup: func(s *connect.ServerStream[controlv1.BackupChunk]) error { return s.Send(data("one")) }}
	c := dial(t, nil, serve(t, f.handler()).URL)
	if _, err := c.Log.Backup(t.Context(), full{}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
	var e *client.Error
	if _, err := dial(t, nil, dead(t)).Log.Backup(t.Context(), &bytes.Buffer{}); !errors.As(err, &e) || e.Code != connect.CodeUnavailable {
		t.Errorf("nobody there: %v", err)
	}
}
