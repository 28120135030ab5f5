package memlog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/memlog"
)

// once lets the first call of a kind fail.
func once(kind memlog.Kind, fault memlog.Fault) memlog.Faults {
	done := false
	return func(op memlog.Op) memlog.Fault {
		if done || op.Kind != kind {
			return memlog.None
		}
		done = true
		return fault
	}
}

func texts(l *memlog.Log) []string {
	var out []string
	for _, m := range l.Messages(1, 1000) {
		out = append(out, string(m.Data))
	}
	return out
}

func wantTexts(t *testing.T, l *memlog.Log, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, texts(l)); diff != "" {
		t.Fatalf("stored messages differ (-want +got):\n%s", diff)
	}
}

func TestPublishFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault memlog.Fault
		err   error
		want  []string
	}{
		{"ack lost", memlog.AckLost, memlog.ErrNoAck, []string{"a"}},
		{"lost", memlog.Lost, memlog.ErrNoAck, nil},
		{"delayed", memlog.Delayed, memlog.ErrNoAck, nil},
		{"spurious refusal", memlog.SpuriousRefusal, store.ErrWrongSequence, nil},
		{"full", memlog.Full, store.ErrLogFull, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := memlog.New(once(memlog.KindPublish, test.fault))
			if err := l.TryPublish(0, []byte("a")); !errors.Is(err, test.err) {
				t.Fatalf("TryPublish: %v; want %v", err, test.err)
			}
			wantTexts(t, l, test.want...)
		})
	}
}

func TestAckLostKeepsExpectation(t *testing.T) {
	l := memlog.New(nil)
	if err := l.TryPublish(0, []byte("a")); err != nil {
		t.Fatal(err)
	}
	l.SetFaults(once(memlog.KindPublish, memlog.AckLost))
	if err := l.TryPublish(0, []byte("b")); !errors.Is(err, memlog.ErrNoAck) {
		t.Fatalf("TryPublish: %v; want %v", err, memlog.ErrNoAck)
	}
	wantTexts(t, l, "a")
}

func TestDelayedArrivesIfExpectationHolds(t *testing.T) {
	l := memlog.New(once(memlog.KindPublish, memlog.Delayed))
	_ = l.TryPublish(0, []byte("late")) // ErrNoAck, seen in TestPublishFaults
	pending := l.Delayed()
	if len(pending) != 1 || pending[0].Expect != 0 || string(pending[0].Data) != "late" {
		t.Fatalf("Delayed() = %v; want the one publish", pending)
	}
	if err := l.Deliver(pending[0].ID); err != nil {
		t.Fatalf("Deliver: %v", err)
	}
	wantTexts(t, l, "late")
	if err := l.Deliver(pending[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Deliver twice: %v; want %v", err, store.ErrNotFound)
	}
}

func TestDelayedIsRefusedWhenOvertaken(t *testing.T) {
	l := memlog.New(once(memlog.KindPublish, memlog.Delayed))
	_ = l.TryPublish(0, []byte("late"))
	if err := l.TryPublish(0, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := l.Deliver(l.Delayed()[0].ID); !errors.Is(err, store.ErrWrongSequence) {
		t.Fatalf("Deliver: %v; want %v", err, store.ErrWrongSequence)
	}
	wantTexts(t, l, "first")
}

func TestDropAndCrashLoseDelayed(t *testing.T) {
	l := memlog.New(func(memlog.Op) memlog.Fault { return memlog.Delayed })
	_ = l.TryPublish(0, []byte("a"))
	_ = l.TryPublish(0, []byte("b"))
	if !l.Drop(l.Delayed()[0].ID) || l.Drop(99) {
		t.Fatal("Drop must report whether the publish was waiting")
	}
	l.Crash()
	if pending := l.Delayed(); len(pending) != 0 {
		t.Fatalf("after a crash %v is delayed", pending)
	}
	wantTexts(t, l)
}

func TestLimit(t *testing.T) {
	l := memlog.New(nil)
	l.SetLimit(3)
	if err := l.TryPublish(0, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := l.TryPublish(1, []byte("d")); !errors.Is(err, store.ErrLogFull) {
		t.Fatalf("TryPublish: %v; want %v", err, store.ErrLogFull)
	}
	l.Truncate(0)
	if err := l.TryPublish(0, []byte("d")); err != nil {
		t.Fatal(err)
	}
}

func TestCrashEndsFollow(t *testing.T) {
	l := memlog.New(nil)
	_ = l.TryPublish(0, []byte("a"))
	err := l.Follow(t.Context(), 1, func(store.Message) error { l.Crash(); return nil })
	if !errors.Is(err, memlog.ErrCrashed) {
		t.Fatalf("Follow: %v; want %v", err, memlog.ErrCrashed)
	}
	wantTexts(t, l, "a")
}

func TestTruncateEndsFollow(t *testing.T) {
	l := memlog.New(nil)
	_ = l.TryPublish(0, []byte("a"))
	_ = l.TryPublish(1, []byte("b"))
	err := l.Follow(t.Context(), 1, func(m store.Message) error {
		if m.Sequence == 2 {
			l.Truncate(1)
		}
		return nil
	})
	if !errors.Is(err, store.ErrLogTruncated) {
		t.Fatalf("Follow: %v; want %v", err, store.ErrLogTruncated)
	}
}

func TestCorruptChangesOnlyWhatIsStored(t *testing.T) {
	l := memlog.New(nil)
	_ = l.TryPublish(0, []byte("a"))
	before, err := l.Load(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Corrupt(1, 0); err != nil {
		t.Fatal(err)
	}
	if string(before.Data) != "a" {
		t.Fatal("a message that was handed out changed")
	}
	wantTexts(t, l, string([]byte{'a' ^ 0xff}))
	if l.Corrupt(1, 1) == nil || l.Corrupt(2, 0) == nil {
		t.Fatal("Corrupt accepted a byte that does not exist")
	}
}

func TestRegisterFaults(t *testing.T) {
	r := memlog.NewRegister(once(memlog.KindWrite, memlog.AckLost))
	if _, err := r.TryWrite(0, []byte("a")); !errors.Is(err, memlog.ErrNoAck) {
		t.Fatalf("TryWrite: %v; want %v", err, memlog.ErrNoAck)
	}
	version, data, err := r.Read(context.Background())
	if err != nil || version != 1 || string(data) != "a" {
		t.Fatalf("Read() = %d, %q, %v; want the write whose answer was lost", version, data, err)
	}
}
