package natslog_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// logged is a closed log of several blocks.
type logged struct {
	cfg natslog.Config
	end store.Mark
}

// Frames of this size and number make several blocks of 4 MiB.
const (
	damageFrame  = 100_000
	damageFrames = 100
)

func newLogged(t testing.TB) logged { return newLoggedOf(t, damageFrames) }

func newLoggedOf(t testing.TB, frames int) logged {
	t.Helper()
	cfg := small(t.TempDir())
	cfg.MaxLogBytes = int64(frames+100) * damageFrame
	s := open(t, cfg)
	c := &chain{size: damageFrame}
	c.fill(t, s, frames)
	l := logged{cfg, c.head}
	for _, path := range l.blocks(t)[:2] { // full, and from now on old
		if err := os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, s)
	return l
}

// crash makes the last stop an unclean one.
func (l logged) crash(t testing.TB) {
	t.Helper()
	if err := os.Remove(filepath.Join(l.cfg.Dir, "clean")); err != nil {
		t.Fatal(err)
	}
}

// blocks returns the paths of the block files in order.
func (l logged) blocks(t testing.TB) []string {
	t.Helper()
	paths := blockPaths(t, l.cfg)
	if len(paths) < 3 {
		t.Fatalf("blocks %v; want at least three", paths)
	}
	return paths
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= 0x40
	_, err2 := f.WriteAt(b[:], at)
	if err := errors.Join(err, err2, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// flipQuietly leaves the file's time as it was, as a failing disk does.
func flipQuietly(t *testing.T, path string, at int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	flip(t, path, at)
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, by int64) {
	t.Helper()
	if err := os.Truncate(path, size(t, path)-by); err != nil {
		t.Fatal(err)
	}
}

// snapshot is every file of the directory with its bytes.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		h := events.HashOf(b)
		files[path] = h.String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestDamageStopsOpen damages the files of an unclean stop, or what is read after
// a clean one, and wants the place named and no file touched.
func TestDamageStopsOpen(t *testing.T) {
	for _, test := range []struct {
		name   string
		clean  bool
		want   error
		damage func(*testing.T, []string)
		// last tells that the damage is to the last message.
		last bool
	}{
		{name: "byte in a middle block", want: natslog.ErrCorrupt, damage: func(t *testing.T, b []string) {
			flip(t, b[1], size(t, b[1])/2)
		}},
		{name: "length in a middle block", want: natslog.ErrCorrupt, damage: func(t *testing.T, b []string) { flip(t, b[1], 2) }},
		{name: "byte in the last block", want: natslog.ErrCorrupt, damage: func(t *testing.T, b []string) {
			flip(t, b[len(b)-1], 500)
		}},
		{name: "byte in the last block after a clean stop", clean: true, want: natslog.ErrCorrupt,
			damage: func(t *testing.T, b []string) { flip(t, b[len(b)-1], 500) }},
		{name: "byte in the last message", want: natslog.ErrCorrupt, last: true, damage: func(t *testing.T, b []string) {
			flip(t, b[len(b)-1], size(t, b[len(b)-1])-100)
		}},
		{name: "last message cut", want: natslog.ErrCorrupt, last: true, damage: func(t *testing.T, b []string) {
			cut(t, b[len(b)-1], 100)
		}},
		{name: "last message cut after a clean stop", clean: true, want: natslog.ErrCorrupt, last: true,
			damage: func(t *testing.T, b []string) { cut(t, b[len(b)-1], 100) }},
		{name: "middle block cut", want: natslog.ErrCorrupt, damage: func(t *testing.T, b []string) { cut(t, b[1], 100) }},
		{name: "middle block gone", want: natslog.ErrCorrupt, damage: func(t *testing.T, b []string) {
			if err := os.Remove(b[1]); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "first block gone", want: natslog.ErrCorrupt, damage: func(t *testing.T, b []string) {
			if err := os.Remove(b[0]); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "last block gone", want: store.ErrLogTruncated, damage: func(t *testing.T, b []string) {
			if err := os.Remove(b[len(b)-1]); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "last block gone after a clean stop", clean: true, want: store.ErrLogTruncated,
			damage: func(t *testing.T, b []string) {
				if err := os.Remove(b[len(b)-1]); err != nil {
					t.Fatal(err)
				}
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLogged(t)
			if !test.clean {
				l.crash(t)
			}
			test.damage(t, l.blocks(t))
			before := snapshot(t, l.cfg.Dir)
			_, err := natslog.Open(t.Context(), l.cfg)
			if diff := cmp.Diff(before, snapshot(t, l.cfg.Dir)); diff != "" {
				t.Errorf("files were changed (-before +after):\n%s", diff)
			}
			wantDamage(t, err, test.want, l.end, test.last)
		})
	}
}

// wantDamage wants the right kind, and a position that fits the sequence: every
// frame here has two events.
func wantDamage(t *testing.T, err, want error, end store.Mark, last bool) {
	t.Helper()
	t.Logf("%v", err)
	var damaged *natslog.CorruptError
	if !errors.As(err, &damaged) || !errors.Is(err, want) {
		t.Fatalf("%v; want a CorruptError that is %v", err, want)
	}
	if damaged.Sequence == 0 || damaged.Sequence > end.Sequence || last && damaged.Sequence != end.Sequence {
		t.Errorf("it names message %d of %d", damaged.Sequence, end.Sequence)
	}
	if want := events.Position(damaged.Sequence*2 - 1); damaged.Position != want {
		t.Errorf("it names position %d, message %d has %d", damaged.Position, damaged.Sequence, want)
	}
	if _, err := os.Stat(filepath.Dir(damaged.File)); err != nil {
		t.Errorf("it names no file: %q", damaged.File)
	}
}

// TestDamageAfterCleanStopIsFoundByReading: the middle blocks are not read at
// Open then, but before the server reads them.
func TestDamageAfterCleanStopIsFoundByReading(t *testing.T) {
	for name, at := range map[string]int64{"payload": 70_000, "length": 2} {
		t.Run(name, func(t *testing.T) {
			l := newLogged(t)
			middle := l.blocks(t)[1]
			flipQuietly(t, middle, at)
			beyondDedupe(t, l)
			s := open(t, l.cfg)
			err := s.Follow(deadline(t), 1, func(store.Message) error { return nil })
			wantDamage(t, err, natslog.ErrCorrupt, l.end, false)
			var damaged *natslog.CorruptError
			errors.As(err, &damaged)
			_, err = s.Load(deadline(t), damaged.Sequence)
			wantDamage(t, err, natslog.ErrCorrupt, l.end, false)
			if last, err := s.Load(deadline(t), l.end.Sequence); err != nil || events.HashOf(last.Data) != l.end.Hash {
				t.Errorf("the last message is whole and was not served: %v", err)
			}
		})
	}
}

// beyondDedupe waits until the messages are older than JetStream's dedupe window:
// the server reads younger ones when it starts, whatever their file's time says.
func beyondDedupe(t *testing.T, l logged) {
	t.Helper()
	info, err := os.Stat(l.blocks(t)[2])
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(info.ModTime().Add(time.Second)))
}

// TestDamageWhileRunning: bytes that go bad under a running server end a Follow.
func TestDamageWhileRunning(t *testing.T) {
	l := newLogged(t)
	s := open(t, l.cfg)
	seen := func(store.Message) error { return nil }
	ctx, cancel := context.WithCancel(deadline(t))
	cancel()
	if err := s.Follow(ctx, 1, seen); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := s.Load(deadline(t), 1); err != nil { // verifies the first block
		t.Fatal(err)
	}
	// Or the server has it in its cache: from before, or from reading what is young.
	beyondDedupe(t, l)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	flip(t, l.blocks(t)[0], 50_000+3*damageFrame)
	err := s.Follow(deadline(t), 1, seen)
	wantDamage(t, err, natslog.ErrCorrupt, l.end, false)
}

// TestTornTailIsForgiven: a record that was being written at a crash, above the
// anchor, was never acknowledged.
func TestTornTailIsForgiven(t *testing.T) {
	l := newLogged(t)
	last := l.blocks(t)[len(l.blocks(t))-1]
	whole := size(t, last)
	s := open(t, l.cfg)
	c := &chain{size: damageFrame, head: l.end}
	if err := c.publish(t, s); err != nil { // not anchored
		t.Fatal(err)
	}
	shut(t, s)
	l.crash(t)
	if size(t, last) == whole {
		t.Fatal("the message went to another block")
	}
	cut(t, last, 100)
	// A crash leaves no index that knows of a message that was being written.
	if err := os.Remove(filepath.Join(msgs(l.cfg.Dir), "index.db")); err != nil {
		t.Fatal(err)
	}
	s = open(t, l.cfg)
	if got, err := s.Last(deadline(t)); err != nil || got != l.end.Sequence {
		t.Fatalf("Last() = %d, %v; want %d", got, err, l.end.Sequence)
	}
	again := &chain{size: damageFrame, head: l.end}
	again.fill(t, s, 1)
}

// TestKilledLogOpens: nothing is damaged after a crash without a torn record.
func TestKilledLogOpens(t *testing.T) {
	l := newLogged(t)
	l.crash(t)
	s := open(t, l.cfg)
	if got, err := s.Last(deadline(t)); err != nil || got != l.end.Sequence {
		t.Fatalf("Last() = %d, %v; want %d", got, err, l.end.Sequence)
	}
}

func TestDamagedStreamDescriptionStopsOpen(t *testing.T) {
	l := newLogged(t)
	meta := filepath.Join(filepath.Dir(msgs(l.cfg.Dir)), "meta.inf")
	flip(t, meta, 20)
	blocks := snapshot(t, msgs(l.cfg.Dir))
	_, err := natslog.Open(t.Context(), l.cfg)
	if !errors.Is(err, natslog.ErrCorrupt) {
		t.Fatalf("open: %v; want %v", err, natslog.ErrCorrupt)
	}
	for path, hash := range snapshot(t, msgs(l.cfg.Dir)) {
		if strings.HasSuffix(path, ".blk") && blocks[path] != hash {
			t.Errorf("%s was changed", path)
		}
	}
}

func TestDamagedAnchor(t *testing.T) {
	l := newLogged(t)
	path := filepath.Join(l.cfg.Dir, "anchor")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slot := int64(damageFrames % 2 * 4096) // the newest
	if b[slot] == 0 {
		t.Fatal("the test does not know where the slots are")
	}
	flip(t, path, slot+50)
	mark, ok, err := natslog.ReadAnchor(l.cfg.Dir)
	if err != nil || !ok || mark.Sequence != l.end.Sequence-1 {
		t.Fatalf("ReadAnchor = %v, %t, %v; want the slot before", mark, ok, err)
	}
	flip(t, path, (4096-slot)+50)
	if _, err := natslog.Open(t.Context(), l.cfg); !errors.Is(err, natslog.ErrCorrupt) {
		t.Fatalf("open: %v; want %v", err, natslog.ErrCorrupt)
	}
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
