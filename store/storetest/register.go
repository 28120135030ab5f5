package storetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/omnirelay/omnirelay/store"
)

func registerEmpty(t *testing.T, b Backend) {
	wantRegister(t, b.Register, 0, "")
	_, err := b.Register.Write(deadline(t), 7, []byte("x"))
	wantError(t, "Write at version 7 of an empty register", err, store.ErrWrongSequence)
	wantRegister(t, b.Register, 0, "")
}

func registerWrite(t *testing.T, b Backend) {
	var version uint64
	for _, text := range []string{"a", "b", "b", "a longer one"} {
		next, err := b.Register.Write(deadline(t), version, []byte(text))
		if err != nil {
			t.Fatalf("Write(%d, %q): %v", version, text, err)
		}
		if next <= version {
			t.Fatalf("Write(%d, %q) gave version %d; want a higher one", version, text, next)
		}
		wantRegister(t, b.Register, next, text)
		_, err = b.Register.Write(deadline(t), version, []byte("stale"))
		wantError(t, "Write at the version before", err, store.ErrWrongSequence)
		wantRegister(t, b.Register, next, text)
		version = next
	}
}

func registerRace(t *testing.T, b Backend) {
	const writers = 8
	ctx := deadline(t)
	errs := make([]error, writers)
	versions := make([]uint64, writers)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() { versions[w], errs[w] = b.Register.Write(ctx, 0, []byte{byte('a' + w)}) })
	}
	group.Wait()
	winner := -1
	for w, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("writers %d and %d both took the register", winner, w)
		case err == nil:
			winner = w
		case !errors.Is(err, store.ErrWrongSequence):
			t.Fatalf("writer %d: %v", w, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody took the register")
	}
	wantRegister(t, b.Register, versions[winner], string(rune('a'+winner)))
}

func wantRegister(t *testing.T, r store.Register, version uint64, text string) {
	t.Helper()
	got, data, err := r.Read(deadline(t))
	if err != nil || got != version || string(data) != text {
		t.Fatalf("Read() = %d, %q, %v; want %d, %q", got, data, err, version, text)
	}
}
