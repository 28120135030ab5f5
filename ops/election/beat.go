package election

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Beat is what a server tells the others of itself. Fields are added, never
// changed: servers of two releases hear each other.
type Beat struct {
	Server  string `cbor:"1,keyasint"`
	Version string `cbor:"2,keyasint"`
	// Address of its API.
	Address string `cbor:"3,keyasint"`
	// Leading: it leads with authority now. Term is its grant's.
	Leading bool   `cbor:"4,keyasint"`
	Term    uint64 `cbor:"5,keyasint"`
	// Misses: it does without the leader that the log names.
	Misses bool `cbor:"6,keyasint"`
	// Retiring: it leads, and Successor is to take over.
	Retiring  bool   `cbor:"7,keyasint"`
	Successor string `cbor:"8,keyasint"`
	// Eligible: it may lead.
	Eligible bool `cbor:"9,keyasint"`
	// Waiting is what it is not ready for; empty when it is.
	Waiting []string `cbor:"10,keyasint"`
	// Position and Hash are the head of its log, Shown the position of its reads.
	Position uint64   `cbor:"11,keyasint"`
	Hash     [32]byte `cbor:"12,keyasint"`
	Shown    uint64   `cbor:"13,keyasint"`
	// Leaving: it stops now, and is to be forgotten.
	Leaving bool `cbor:"14,keyasint"`
}

// News reports whether the others should hear of it at once, and not with the
// next beat.
func (b Beat) News(last Beat) bool {
	return b.Leading != last.Leading || b.Misses != last.Misses || b.Retiring != last.Retiring || b.Successor != last.Successor ||
		(len(b.Waiting) == 0) != (len(last.Waiting) == 0)
}

// Encode returns the wire form.
func (b Beat) Encode() []byte {
	data, err := cbor.Marshal(b)
	if err != nil { // nothing in it can fail
		panic(fmt.Sprintf("election: encode a beat: %v", err))
	}
	return data
}

// DecodeBeat is the way back.
func DecodeBeat(data []byte) (b Beat, err error) {
	if err = cbor.Unmarshal(data, &b); err == nil && b.Server == "" {
		err = fmt.Errorf("a beat without a server")
	}
	return b, err
}
