package kv

import (
	"bytes"
	"cmp"
	"errors"
	"testing"
)

func TestKeyPrefixes(t *testing.T) {
	row := Key{}.String("ab").Uint32(1)
	if bytes.HasPrefix(row, Key{}.String("a")) {
		t.Error("the scan of \"a\" meets a row of \"ab\"")
	}
	if !bytes.HasPrefix(row, Key{}.StringPrefix("a")) {
		t.Error("the scan of strings that start with a misses \"ab\"")
	}
}

func TestKeyIsNotSharedByExtensions(t *testing.T) {
	parent := Key{}.String("ns")
	one := parent.Uint32(1)
	two := parent.Uint32(2)
	if r := ReadKey(one); r.String() != "ns" || r.Uint32() != 1 || r.Done() != nil {
		t.Errorf("first key changed to %x by making %x", one, two)
	}
}

func TestReadKeyRefusesMalformed(t *testing.T) {
	for _, key := range [][]byte{nil, []byte("a"), []byte("a\x00"), []byte("a\x00\x02"), []byte("a\x00\x01\x00"),
		append(Key{}.String("a").Uint32(7), 0)} {
		r := ReadKey(key)
		_ = r.String()
		r.Uint32()
		if err := r.Done(); !errors.Is(err, ErrKey) {
			t.Errorf("key %x: error %v, want ErrKey", key, err)
		}
	}
}

func FuzzKeyCodec(f *testing.F) {
	f.Add("a", uint32(1), uint64(2), "ab", uint32(0), uint64(0))
	f.Add("a\x00", uint32(1), uint64(2), "a", uint32(1<<31), uint64(1))
	f.Add("", uint32(0), uint64(0), "\x00\xff", uint32(0), uint64(1<<63))
	f.Fuzz(func(t *testing.T, s1 string, a1 uint32, b1 uint64, s2 string, a2 uint32, b2 uint64) {
		k1 := Key{}.String(s1).Uint32(a1).String(s2).Uint64(b1)
		k2 := Key{}.String(s2).Uint32(a2).String(s1).Uint64(b2)
		r := ReadKey(k1)
		if s, a, x, b := r.String(), r.Uint32(), r.String(), r.Uint64(); s != s1 || a != a1 || x != s2 || b != b1 {
			t.Fatalf("%x reads back as %q %d %q %d", k1, s, a, x, b)
		}
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
		want := cmp.Or(cmp.Compare(s1, s2), cmp.Compare(a1, a2), cmp.Compare(s2, s1), cmp.Compare(b1, b2))
		if got := bytes.Compare(k1, k2); got != want {
			t.Fatalf("%x and %x compare %d, their parts %d", k1, k2, got, want)
		}
		if s1 != s2 && bytes.HasPrefix(Key{}.String(s1), Key{}.String(s2)) {
			t.Fatalf("%q is a prefix of %q", s2, s1)
		}
		// Any bytes are read without a panic, and what is read is written again.
		raw := ReadKey([]byte(s1))
		if got := raw.String(); raw.Done() == nil && !bytes.Equal(Key{}.String(got), []byte(s1)) {
			t.Fatalf("%x reads as %q, which is written otherwise", s1, got)
		}
	})
}
