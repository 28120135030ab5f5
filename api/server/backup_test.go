package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store/archive"
)

// backedUp reads a whole backup.
func (m *mesh) backedUp() ([]byte, *controlv1.ArchiveSummary, error) {
	m.t.Helper()
	stream, err := m.connect(m.h2).log.Backup(deadline(m.t, 10_000), request(&controlv1.BackupRequest{}))
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	var b bytes.Buffer
	var summary *controlv1.ArchiveSummary
	for stream.Receive() {
		b.Write(stream.Msg().GetData())
		if s := stream.Msg().GetSummary(); s != nil {
			summary = s
		}
	}
	return b.Bytes(), summary, stream.Err()
}

// TestBackup: the archive is the log, byte for byte, up to the head of the call;
// more than a chunk of it too.
func TestBackup(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 3)
	labels := map[string]string{}
	for i := range 30 {
		labels[fmt.Sprintf("label-%d", i)] = strings.Repeat("x", 250)
	}
	for i := range 40 {
		m.do(membership.OpenSession{
			Node:       membership.Descriptor{NodeID: fmt.Sprintf("n%d", i), Role: "worker", ClusterID: "c1", Weight: 1, Labels: labels},
			SecretHash: events.HashOf([]byte("secret")), Incarnation: 1,
		})
	}
	head := m.sequencer.View().Mark
	b, summary, err := m.backedUp()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < backupChunk {
		t.Errorf("%d bytes fit into one chunk", len(b))
	}
	all := m.log.Messages(1, 10_000)
	r, err := archive.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Header().Mark.Sequence {
		msg, _, err := r.Next()
		if err != nil || msg.Sequence != i+1 || !bytes.Equal(msg.Data, all[i].Data) {
			t.Fatalf("message %d: %v", i+1, err)
		}
	}
	if at := r.Mark(); at.Sequence < head.Sequence {
		t.Errorf("it ends at %+v, the head was %+v", at, head)
	}
	read, err := archive.Verify(bytes.NewReader(b), nil)
	if want := ArchiveSummary(read); err != nil || !proto.Equal(summary, want) {
		t.Errorf("the summary is %v, read is %v, %v", summary, want, err)
	}
}

// TestBackupOfDamaged: a log that does not verify gives no archive.
func TestBackupOfDamaged(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 3)
	m.namespace("more", 3)
	if err := m.log.Corrupt(2, 40); err != nil {
		t.Fatal(err)
	}
	_, summary, err := m.backedUp()
	if summary != nil {
		t.Errorf("a summary: %v", summary)
	}
	wantError(t, err, "data_loss", "log_corrupt")
}

// TestBackupsAreBounded: each reads the whole log.
func TestBackupsAreBounded(t *testing.T) {
	m := newMesh(t)
	for range maxVerifying {
		m.server.verifying <- struct{}{}
	}
	_, _, err := m.backedUp()
	wantError(t, err, "resource_exhausted", "backup_busy")
}

// TestSeal: by RPC; a key that had its effect before is still answered.
func TestSeal(t *testing.T) {
	m := newMesh(t)
	m.namespace("demo", 3)
	c, ctx := m.connect(m.h2), deadline(t, 10_000)
	create := &controlv1.CreateNamespaceRequest{Namespace: "late", ShardCount: 1}
	_, err := c.log.Unseal(ctx, request(&controlv1.UnsealRequest{}))
	wantError(t, err, "failed_precondition", "not_sealed")
	must[controlv1.SealResponse](t)(c.log.Seal(ctx, request(&controlv1.SealRequest{Mutation: &controlv1.Mutation{Reason: "growth"}})))
	_, err = c.namespaces.CreateNamespace(ctx, request(create))
	wantError(t, err, "failed_precondition", "log_sealed")
	_, err = c.log.Seal(ctx, request(&controlv1.SealRequest{}))
	wantError(t, err, "failed_precondition", "log_sealed")
	must[controlv1.UnsealResponse](t)(c.log.Unseal(ctx, request(&controlv1.UnsealRequest{})))
	must[controlv1.CreateNamespaceResponse](t)(c.namespaces.CreateNamespace(ctx, request(create)))
}
