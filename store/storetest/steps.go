package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/store"
)

// errEnough ends a Follow that has seen what it waited for.
var errEnough = errors.New("enough")

// frame is a message of a given size whose bytes depend on its sequence.
func frame(sequence uint64, size int) []byte {
	b := make([]byte, max(size, 8))
	for i := range b {
		b[i] = byte(uint64(i) * (sequence + 1))
	}
	binary.BigEndian.PutUint64(b, sequence)
	return b
}

// fill publishes the messages first to last.
func fill(t *testing.T, log store.Log, first, last uint64, size int) {
	t.Helper()
	ctx := deadline(t)
	for s := first; s <= last; s++ {
		if err := log.Publish(ctx, s-1, frame(s, size)); err != nil {
			t.Fatalf("publish message %d: %v", s, err)
		}
	}
}

// collect follows until it has seen last, and fails on a gap, a repetition or
// other bytes than frame's.
func collect(ctx context.Context, log store.Log, from, last uint64, size int) error {
	next := from
	err := log.Follow(ctx, from, func(m store.Message) error {
		if err := compare(store.Message{Sequence: next, Data: frame(next, size)}, m); err != nil {
			return err
		}
		if next++; next > last {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// compare goes by bytes.Equal first: cmp looks at every byte by itself, which is
// too slow for large messages.
func compare(want, got store.Message) error {
	if want.Sequence == got.Sequence && bytes.Equal(want.Data, got.Data) {
		return nil
	}
	return errors.New("message differs (-want +got):\n" + cmp.Diff(want, got))
}

func wantLast(t *testing.T, log store.Log, want uint64) {
	t.Helper()
	got, err := log.Last(deadline(t))
	if err != nil || got != want {
		t.Fatalf("Last() = %d, %v; want %d", got, err, want)
	}
}

func wantMessage(t *testing.T, log store.Log, sequence uint64, data []byte) {
	t.Helper()
	got, err := log.Load(deadline(t), sequence)
	if err != nil {
		t.Fatalf("Load(%d): %v", sequence, err)
	}
	if err := compare(store.Message{Sequence: sequence, Data: data}, got); err != nil {
		t.Fatalf("Load(%d): %v", sequence, err)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v; want %v", what, err, want)
	}
}
