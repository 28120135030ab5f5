package events

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// Position is the dense number of an event on a log. The first event has
// position 1; 0 means "before everything" or, on the wire, "not given".
type Position uint64

// String returns the position in decimal.
func (p Position) String() string { return strconv.FormatUint(uint64(p), 10) }

// HashSize is the length of a [Hash] in bytes.
const HashSize = 32

// Hash is the SHA-256 of the stored bytes of a frame.
type Hash [HashSize]byte

// String returns the hash in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// LogID is the random identity of a log, given by its first frame.
type LogID [16]byte

// String returns the id in lower-case hexadecimal.
func (id LogID) String() string { return hex.EncodeToString(id[:]) }

// ParseLogID reads the bytes that a frame carries. It fails unless there are
// exactly 16.
func ParseLogID(b []byte) (LogID, error) {
	var id LogID
	if len(b) != len(id) {
		return id, fmt.Errorf("log id has %d bytes, want %d", len(b), len(id))
	}
	copy(id[:], b)
	return id, nil
}

// Limits of the log's format. A decision never spans frames.
const (
	// MaxPosition bounds positions: a fence token has 40 bits for one.
	MaxPosition = 1<<40 - 1
	// MaxFrameBytes bounds the stored bytes of one frame.
	MaxFrameBytes = 512 << 10
	// MaxFrameEvents bounds the events of one frame.
	MaxFrameEvents = 4096
	// MaxShards bounds the shards of one namespace.
	MaxShards = 1_000_000
	// MaxAssigned bounds the shards of one ShardsAssigned event.
	MaxAssigned = 2000
)
