package kv

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A disk that refuses the write-ahead log ends writing with ErrFailed, not the
// process; what was committed before is still read, and is there after reopening.
func TestFullDiskEndsWritingNotTheProcess(t *testing.T) {
	mem := vfs.NewMem()
	var full atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	}))
	db := openFS(t, fs)
	commit(t, db, func(b *Batch) { b.Put(modelTable(), []byte("a"), 1, []byte("kept")) })
	if err := db.Sync(); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	if err := db.Sync(); !errors.Is(err, ErrFailed) {
		t.Fatalf("sync on a full disk: error %v, want ErrFailed", err)
	}
	if _, err := db.NewBatch(); !errors.Is(err, ErrFailed) {
		t.Errorf("batch after the failure: error %v, want ErrFailed", err)
	}
	s := snapshot(t, db)
	if row, _, _, err := s.Get(modelTable(), []byte("a")); string(row) != "kept" || err != nil {
		t.Errorf("read %q after the failure (error %v), want kept", row, err)
	}
	_ = s.Close()
	full.Store(false)
	// Close frees the directory but still reports what was lost.
	if err := db.Close(); err == nil {
		t.Error("close after a lost log says nothing")
	}
	after := openFS(t, mem)
	defer after.Close()
	if row, _, _, err := snapshot(t, after).Get(modelTable(), []byte("a")); string(row) != "kept" || err != nil {
		t.Errorf("read %q after reopening (error %v), want kept", row, err)
	}
}
