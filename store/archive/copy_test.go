package archive_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/memlog"
	"github.com/omnirelay/omnirelay/store/natslog"
)

func wantCopied(t *testing.T, l *logged, to store.Log, mark store.Mark, err error) {
	t.Helper()
	if err != nil || mark != l.mark {
		t.Fatalf("copied to %+v, %v; want %+v", mark, err, l.mark)
	}
	if diff := cmp.Diff(messages(t, l.log), messages(t, to)); diff != "" {
		t.Errorf("(-source +target):\n%s", diff)
	}
}

// TestCopyByAnyFault: acks that are lost, publishes that are lost or refused for
// no reason, for each message: the target is the source's equal all the same.
func TestCopyByAnyFault(t *testing.T) {
	for _, fault := range []memlog.Fault{memlog.None, memlog.AckLost, memlog.Lost, memlog.SpuriousRefusal} {
		l, tries := sample(t), map[uint64]int{}
		to := memlog.New(func(op memlog.Op) memlog.Fault {
			if op.Kind != memlog.KindPublish {
				return memlog.None
			}
			if tries[op.Sequence]++; tries[op.Sequence] == 1 {
				return fault
			}
			return memlog.None
		})
		mark, err := archive.Copy(t.Context(), l.log, to)
		wantCopied(t, l, to, mark, err)
	}
}

// TestCopyResumes: interrupted after any message, it goes on where it was.
func TestCopyResumes(t *testing.T) {
	l := sample(t)
	for stop := range l.mark.Sequence + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		to := memlog.New(func(op memlog.Op) memlog.Fault {
			if op.Kind == memlog.KindPublish && op.Sequence == stop {
				cancel()
				return memlog.Lost
			}
			return memlog.None
		})
		_, err := archive.Copy(ctx, l.log, to)
		if stop < l.mark.Sequence && !errors.Is(err, context.Canceled) && !errors.Is(err, memlog.ErrNoAck) {
			t.Fatalf("stopped after %d: %v", stop, err)
		}
		cancel()
		to.SetFaults(nil)
		if have := messages(t, to); uint64(len(have)) != min(stop, l.mark.Sequence) {
			t.Fatalf("stopped after %d, it has %d messages", stop, len(have))
		}
		mark, err := archive.Copy(t.Context(), l.log, to)
		wantCopied(t, l, to, mark, err)
	}
}

// TestCopyIntoNatslog: a process that dies in the middle leaves a prefix on disk,
// and the next one completes it.
func TestCopyIntoNatslog(t *testing.T) {
	l := sample(t)
	cfg := natslog.DefaultConfig(t.TempDir(), "c1")
	cfg.MaxLogBytes = 1 << 20
	open := func() *natslog.Store {
		s, err := natslog.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	to := open()
	half := memlog.New(nil)
	for _, m := range messages(t, l.log)[:3] {
		if err := half.Publish(t.Context(), m.Sequence-1, m.Data); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := archive.Copy(t.Context(), half, to); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	to = open()
	mark, err := archive.Copy(t.Context(), l.log, to)
	wantCopied(t, l, to, mark, err)
	if err := to.Anchor(mark); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	// Again, and back.
	to = open()
	defer func() { _ = to.Close() }()
	mark, err = archive.Copy(t.Context(), l.log, to)
	wantCopied(t, l, to, mark, err)
	back := memlog.New(nil)
	mark, err = archive.Copy(t.Context(), to, back)
	wantCopied(t, l, back, mark, err)
}

// TestCopyRefuses: a target that is no prefix is left as it is.
func TestCopyRefuses(t *testing.T) {
	for name, target := range map[string]func(*logged) *logged{
		"longer": func(*logged) *logged { l := sample(t); l.add(cordoned("n9")); return l },
		"other":  func(*logged) *logged { l := newLogged(t, memlog.New(nil)); l.add(cordoned("n9")); return l },
	} {
		l := sample(t)
		to := target(l)
		before := messages(t, to.log)
		if _, err := archive.Copy(t.Context(), l.log, to.log); !errors.Is(err, archive.ErrNotPrefix) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, messages(t, to.log)); diff != "" {
			t.Errorf("%s: the target has changed:\n%s", name, diff)
		}
	}
}

// TestCopyFindsDamage: a source that does not verify is not copied further.
func TestCopyFindsDamage(t *testing.T) {
	l := sample(t)
	if err := l.log.(*memlog.Log).Corrupt(2, 30); err != nil {
		t.Fatal(err)
	}
	to := memlog.New(nil)
	if _, err := archive.Copy(t.Context(), l.log, to); err == nil {
		t.Error("a damaged log is copied")
	}
	if n := len(messages(t, to)); n > 2 {
		t.Errorf("%d messages are copied", n)
	}
}

// TestCopyFull: a target without room says so at once.
func TestCopyFull(t *testing.T) {
	l := sample(t)
	to := memlog.New(nil)
	to.SetLimit(uint64(len(messages(t, l.log)[0].Data)))
	if _, err := archive.Copy(t.Context(), l.log, to); !errors.Is(err, store.ErrLogFull) {
		t.Errorf("a full target: %v", err)
	}
	if got := messages(t, to); len(got) != 1 || !bytes.Equal(got[0].Data, messages(t, l.log)[0].Data) {
		t.Errorf("it has %d messages", len(got))
	}
}
