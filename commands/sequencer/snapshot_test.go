package sequencer_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// saved runs a sequencer for some commands and returns the directory with the
// snapshot of its end, and its last view.
func saved(t *testing.T) (dir string, view sequencer.View) {
	dir = filepath.Join(t.TempDir(), "snapshots")
	synctest.Test(t, func(t *testing.T) {
		opts := options(memlog.New(nil), memlog.NewRegister(nil))
		opts.SnapshotDir = dir
		s := running(opts)
		for i := range 20 {
			request := label(fmt.Sprint(i))
			request.Key = keyAt(clock().Wall, byte(i))
			if _, err := s.Submit(t.Context(), request); err != nil {
				t.Fatal(err)
			}
		}
		view = s.View()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	})
	return dir, view
}

// TestSnapshot: what is saved at the end of Run is the whole model (T4).
func TestSnapshot(t *testing.T) {
	dir, want := saved(t)
	got, err := sequencer.LoadSnapshot(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := want.Model.Image()
	b, _ := got.Model.Image()
	if got.Mark != want.Mark || !bytes.Equal(a, b) {
		t.Errorf("the snapshot is at %+v, the view was at %+v; equal models: %t", got.Mark, want.Mark, bytes.Equal(a, b))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestSnapshotNone: no file is an empty log, not a mistake.
func TestSnapshotNone(t *testing.T) {
	view, err := sequencer.LoadSnapshot(t.TempDir())
	if err != nil || view.Model != nil || view.Mark.Sequence != 0 {
		t.Errorf("view %+v, %v", view, err)
	}
}

// TestSnapshotDamaged: a changed, missing or added byte of the image, another
// evolve version, a header that does not fit its image: all are dropped.
func TestSnapshotDamaged(t *testing.T) {
	dir, _ := saved(t)
	file := filepath.Join(dir, "model.snapshot")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	header := bytes.IndexByte(good, '\n')
	refused := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if view, err := sequencer.LoadSnapshot(dir); !errors.Is(err, sequencer.ErrSnapshot) || view.Model != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for at := header + 1; at < len(good); at += 7 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		refused(fmt.Sprintf("byte %d changed", at), bad)
	}
	for _, n := range []int{0, 1, header, header + 1, len(good) / 2, len(good) - 1} {
		refused(fmt.Sprintf("cut at %d", n), good[:n])
	}
	refused("a byte added", append(bytes.Clone(good), 0))
	for old, changed := range map[string]string{
		`"evolveVersion":`: `"evolveVersion":9`, `"position":`: `"position":9`, `"frameTime":`: `"frameTime":9`,
		`"logId":"`: `"logId":"00`, `"frameHash":"`: `"frameHash":"zz`, `"stateHash":"`: `"stateHash":"0`,
	} {
		bad := bytes.Replace(good, []byte(old), []byte(changed), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("the header has no %s", old)
		}
		refused("header "+changed, bad)
	}
}
