package kv

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
)

// comparerName is stored by Pebble in every directory and in our format file.
// A change of ordering needs a new name and a new FormatVersion.
const comparerName = "omnirelay.kv.v1"

// Every physical key ends in a sentinel 0x00, which belongs to the prefix, and
// may be followed by a version suffix: the complement of the position, big
// endian, and the suffix's own length as the last byte. The last byte of any key
// therefore tells where the suffix begins, whatever bytes the primary key has.
const (
	sentinel  = 0x00
	suffixLen = 9
)

// splitKey returns the length of key without its version suffix. A key of a
// shape that this package never writes counts as all prefix: damage must not
// become an index out of range inside Pebble.
func splitKey(key []byte) int {
	n := len(key)
	if n > suffixLen && key[n-1] == suffixLen && key[n-1-suffixLen] == sentinel {
		return n - suffixLen
	}
	return n
}

// compareKeys orders by prefix, then by suffix. Keys without one, most of what a
// memtable compares, are plain bytes.
func compareKeys(a, b []byte) int {
	if n, m := len(a), len(b); n > 0 && m > 0 && a[n-1] != suffixLen && b[m-1] != suffixLen {
		return bytes.Compare(a, b)
	}
	i, j := splitKey(a), splitKey(b)
	if c := bytes.Compare(a[:i], b[:j]); c != 0 {
		return c
	}
	return bytes.Compare(a[i:], b[j:])
}

// separate shortens keys of index blocks. It works on the prefix without its
// sentinel, so that the result is again a well-formed bare prefix; when nothing
// shorter exists the whole of a is kept.
func separate(dst, a, b []byte) []byte {
	ak, bk := bareKey(a), bareKey(b)
	if len(ak) == 0 || len(bk) == 0 || bytes.Equal(ak, bk) {
		return append(dst, a...)
	}
	n := len(dst)
	dst = pebble.DefaultComparer.Separator(dst, ak, bk)
	if bytes.Equal(dst[n:], ak) {
		return append(dst[:n], a...)
	}
	return append(dst, sentinel)
}

func succeed(dst, a []byte) []byte {
	ak := bareKey(a)
	if len(ak) == 0 {
		return append(dst, a...)
	}
	n := len(dst)
	dst = pebble.DefaultComparer.Successor(dst, ak)
	if bytes.Equal(dst[n:], ak) {
		return append(dst[:n], a...)
	}
	return append(dst, sentinel)
}

// bareKey is the prefix of key without the sentinel.
func bareKey(key []byte) []byte {
	n := splitKey(key)
	if n == 0 || key[n-1] != sentinel {
		return nil
	}
	return key[:n-1]
}

// newComparer returns the ordering of physical keys: by prefix, then newest
// version first. It is built per DB, for Pebble keeps a pointer to it.
func newComparer() *pebble.Comparer {
	return &pebble.Comparer{
		Name:                 comparerName,
		Split:                splitKey,
		Compare:              compareKeys,
		Equal:                bytes.Equal,
		ComparePointSuffixes: bytes.Compare,
		CompareRangeSuffixes: bytes.Compare,
		AbbreviatedKey: func(key []byte) uint64 {
			return pebble.DefaultComparer.AbbreviatedKey(key[:splitKey(key)])
		},
		Separator: separate,
		Successor: succeed,
		ImmediateSuccessor: func(dst, a []byte) []byte {
			return append(append(dst, a...), sentinel)
		},
		FormatKey: pebble.DefaultComparer.FormatKey,
	}
}
