package commands

import (
	"math"
	"strconv"
)

// Key is an idempotency key: a UUIDv7 (RFC 9562), whose first 48 bits are its
// Unix time in milliseconds. The zero Key is none.
type Key [16]byte

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k == Key{} }

// Time is when the key was made, Unix nanoseconds, by its maker's clock. What is
// beyond the year 2262, where these end, is their end.
func (k Key) Time() int64 {
	var ms int64
	for _, b := range k[:6] {
		ms = ms<<8 | int64(b)
	}
	if ms > math.MaxInt64/1_000_000 {
		return math.MaxInt64
	}
	return ms * 1_000_000
}

// Valid reports whether the key is a UUID of version 7.
func (k Key) Valid() bool { return k[6]>>4 == 7 && k[8]>>6 == 2 }

func itoa(n int) string { return strconv.Itoa(n) }
