package node_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// archived runs a server for a moment and archives its log.
func archived(t *testing.T) []byte {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	start(t, data).mustStop(t)
	s, err := natslog.Open(t.Context(), natslog.DefaultConfig(filepath.Join(data, "log"), "c1"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	mark, ok := s.Anchored()
	if !ok {
		t.Fatal("there is no anchor")
	}
	var b bytes.Buffer
	w, err := archive.NewWriter(&b, archive.Header{Cluster: "c1", Created: mark.Time, Mark: mark})
	if err != nil {
		t.Fatal(err)
	}
	for sequence := uint64(1); sequence <= mark.Sequence; sequence++ {
		m, err := s.Load(t.Context(), sequence)
		if err == nil {
			err = w.Append(m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func restoreInto(t *testing.T, data string, archive []byte) error {
	t.Helper()
	_, err := node.Restore(t.Context(), bytes.NewReader(archive), node.RestoreConfig{Data: data, Name: "s1"})
	return err
}

func serveOnce(t *testing.T, data string) error {
	t.Helper()
	cfg := node.DefaultConfig()
	cfg.Data, cfg.HTTP, cfg.Insecure = data, "127.0.0.1:0", true
	return node.Run(t.Context(), cfg, node.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// TestRestoredDirectoryIsServed: in the new era, by the name that was given, and
// again after a stop.
func TestRestoredDirectoryIsServed(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := restoreInto(t, data, archived(t)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := start(t, data)
		if status, body := get(t, s.url+"/control/status"); status != http.StatusOK || !strings.Contains(body, `"log":"c1.2"`) {
			t.Errorf("%d %s", status, body)
		}
		s.mustStop(t)
	}
}

// TestRestoreNeedsAnEmptyDirectory: what is there stays, and what was in use too.
func TestRestoreNeedsAnEmptyDirectory(t *testing.T) {
	data, backup := t.TempDir(), archived(t)
	file := filepath.Join(data, "notes.txt")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := restoreInto(t, data, backup); !errors.Is(err, node.ErrNotEmpty) || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("over somebody's files: %v", err)
	}
	if entries, _ := os.ReadDir(data); len(entries) != 1 {
		t.Errorf("the directory has %v now", entries)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := restoreInto(t, data, backup); err != nil {
		t.Fatal(err)
	}
	if err := restoreInto(t, data, backup); !errors.Is(err, node.ErrNotEmpty) {
		t.Errorf("over a restored log: %v", err)
	}
}

// TestRestoreOfDamagedLeavesNothing: not even a directory that looks like a new
// one.
func TestRestoreOfDamagedLeavesNothing(t *testing.T) {
	data, backup := filepath.Join(t.TempDir(), "data"), archived(t)
	if err := restoreInto(t, data, backup[:len(backup)-1]); !errors.Is(err, archive.ErrCut) {
		t.Errorf("cut: %v", err)
	}
	for _, name := range []string{"log", "identity.json", "unfinished-restore"} {
		if _, err := os.Stat(filepath.Join(data, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := restoreInto(t, data, backup); err != nil {
		t.Errorf("once more, whole: %v", err)
	}
}

// TestUnfinishedRestoreIsNotServed: a directory in which a restore was killed is
// not taken for one in which a log may begin; the restore starts over.
func TestUnfinishedRestoreIsNotServed(t *testing.T) {
	data, backup := filepath.Join(t.TempDir(), "data"), archived(t)
	if err := restoreInto(t, data, backup); err != nil {
		t.Fatal(err)
	}
	// As it was right before the last step.
	if err := os.Mkdir(filepath.Join(data, "unfinished-restore"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(data, "log"), filepath.Join(data, "unfinished-restore", "log")); err != nil {
		t.Fatal(err)
	}
	err := serveOnce(t, data)
	if !errors.Is(err, node.ErrUnfinished) {
		t.Fatalf("served: %v", err)
	}
	if fields := node.Explain(err); len(fields) < 2 || fields[1] != "restore_unfinished" {
		t.Errorf("explained as %v", fields)
	}
	if err := restoreInto(t, data, backup); err != nil {
		t.Fatal(err)
	}
	start(t, data).mustStop(t)
}

// TestRestoreIntoUse: a directory that a server has locked is not touched.
func TestRestoreIntoUse(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	defer s.mustStop(t)
	if err := restoreInto(t, data, archived(t)); !errors.Is(err, node.ErrNotEmpty) && !errors.Is(err, store.ErrLocked) {
		t.Errorf("restored: %v", err)
	}
}
