package kv

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

func TestComparerKeepsPebblesRules(t *testing.T) {
	pks := []string{"", "\x00", "\x00\x00", "\x09", "a", "a\x00", "a\x00\x09", "ab", "\xff", "\xff\xff"}
	var prefixes [][]byte
	for _, pk := range pks {
		prefixes = append(prefixes, appendKey(nil, spaceVersion, modelTable(), []byte(pk)))
	}
	suffixes := [][]byte{nil, appendSuffix(nil, 1<<60), appendSuffix(nil, 9), appendSuffix(nil, 1)}
	if err := pebble.CheckComparer(newComparer(), prefixes, suffixes); err != nil {
		t.Fatal(err)
	}
}

func FuzzComparer(f *testing.F) {
	f.Add([]byte("a"), []byte("ab"), uint64(1), uint64(2))
	f.Add([]byte("a\x00\x09"), []byte("a"), uint64(1<<63), uint64(0))
	c := newComparer()
	f.Fuzz(func(t *testing.T, p, q []byte, i, j uint64) {
		a := appendVersionKey(nil, modelTable(), p, i)
		b := appendVersionKey(nil, modelTable(), q, j)
		want := bytes.Compare(p, q)
		if want == 0 && i != j {
			want = 1
			if i > j { // the newer comes first
				want = -1
			}
		}
		if got := c.Compare(a, b); got != want {
			t.Fatalf("compare %x %x: %d, want %d", a, b, got, want)
		}
		pk, pos, err := decodeVersionKey(a)
		if err != nil || pos != i || !bytes.Equal(pk, p) {
			t.Fatalf("%x reads back as %x %d %v", a, pk, pos, err)
		}
		if want >= 0 {
			return
		}
		if s := c.Separator(nil, a, b); c.Compare(a, s) > 0 || c.Compare(s, b) >= 0 {
			t.Fatalf("separator %x is not in [%x, %x)", s, a, b)
		}
		if s := c.Successor(nil, a); c.Compare(a, s) > 0 {
			t.Fatalf("successor %x is before %x", s, a)
		}
		// Arbitrary bytes, as damage would give, are split without a panic.
		c.Compare(p, q)
	})
}
