package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Key is a composite primary key under construction. Keys compare as their
// components do, one after the other:
//
//	kv.Key{}.String("orders").Uint32(17)
//
// A terminated string is no prefix of a longer one, so a scan under the prefix
// Key{}.String("a") does not meet the rows of "ab". Methods return a new Key and
// leave the receiver alone; a Key may be kept and extended twice.
type Key []byte

// Strings escape 0x00 as 0x00 0xff and end in 0x00 0x01. 0x01 < 0xff makes the
// end of a string sort before every continuation.
const (
	escapeByte     = 0x00
	escapedZero    = 0xff
	stringTerminal = 0x01
)

// String appends a string component.
func (k Key) String(s string) Key {
	return AppendString(k.grow(len(s)+2), s)
}

// AppendString appends a string component to a key in memory of the caller's,
// for keys that are made with every event.
func AppendString(dst []byte, s string) []byte {
	return append(appendEscaped(dst, s), escapeByte, stringTerminal)
}

// StringPrefix appends the beginning of a string component, for scans over all
// strings that start with s. Nothing may follow it.
func (k Key) StringPrefix(s string) Key {
	return appendEscaped(k.grow(len(s)), s)
}

// Uint32 appends a number, big endian.
func (k Key) Uint32(v uint32) Key {
	return binary.BigEndian.AppendUint32(k.grow(4), v)
}

// Uint64 appends a number, big endian.
func (k Key) Uint64(v uint64) Key {
	return binary.BigEndian.AppendUint64(k.grow(8), v)
}

// grow copies k into a slice with room for n more bytes. Always a copy: two keys
// made from one parent must not share their tails.
func (k Key) grow(n int) Key {
	return append(make(Key, 0, len(k)+n), k...)
}

func appendEscaped(dst []byte, s string) []byte {
	if strings.IndexByte(s, escapeByte) < 0 {
		return append(dst, s...)
	}
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == escapeByte {
			dst = append(dst, escapedZero)
		}
	}
	return dst
}

// ErrKey marks bytes that are not the composite key which the reader expected.
var ErrKey = errors.New("kv: malformed key")

// KeyReader takes a composite key apart, in the order in which it was built. The
// first error sticks; later calls return zero values. Done reports it.
type KeyReader struct {
	rest []byte
	size int
	err  error
}

// ReadKey starts reading a primary key. The key is not modified.
func ReadKey(key []byte) *KeyReader {
	return &KeyReader{rest: key, size: len(key)}
}

// String reads a component written by Key.String.
func (r *KeyReader) String() string {
	if r.err != nil {
		return ""
	}
	var out []byte
	for {
		i := bytes.IndexByte(r.rest, escapeByte)
		if i < 0 || i+1 >= len(r.rest) {
			r.fail("string without its end 0x00 0x01")
			return ""
		}
		mark := r.rest[i+1]
		out = append(out, r.rest[:i]...)
		r.rest = r.rest[i+2:]
		switch mark {
		case stringTerminal:
			return string(out)
		case escapedZero:
			out = append(out, escapeByte)
		default:
			r.fail(fmt.Sprintf("0x00 0x%02x in a string; allowed after 0x00 are 0x01 and 0xff", mark))
			return ""
		}
	}
}

// Uint32 reads a component written by Key.Uint32.
func (r *KeyReader) Uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads a component written by Key.Uint64.
func (r *KeyReader) Uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Done returns the first error, or one that says how many bytes were left over.
// The error wraps ErrKey.
func (r *KeyReader) Done() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail(fmt.Sprintf("%d bytes after the last component", len(r.rest)))
	}
	return r.err
}

func (r *KeyReader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if len(r.rest) < n {
		r.fail(fmt.Sprintf("number of %d bytes, but %d are left", n, len(r.rest)))
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *KeyReader) fail(what string) {
	r.err = fmt.Errorf("%w: at byte %d of %d: %s", ErrKey, r.size-len(r.rest), r.size, what)
}
