package sessions

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/events"
)

// State is what a member says of a shard that it holds. The values are those
// of the wire.
type State uint8

// The states of a held shard.
const (
	Prepared State = 1
	Owning   State = 2
	Released State = 3
)

// Held is one line of what a node says that it holds.
type Held struct {
	Namespace string
	Shard     uint32
	Fence     events.Position
	State     State
}

// Digest is the digest of a held set: SHA-256 over its lines in the order of
// namespace and shard, each namespace as length and bytes, numbers as big
// endian. Member and server compute the same.
func Digest(held []Held) [sha256.Size]byte {
	held = slices.Clone(held)
	slices.SortFunc(held, compareHeld)
	h := sha256.New()
	var b []byte
	for _, x := range held {
		b = binary.BigEndian.AppendUint32(b[:0], uint32(len(x.Namespace)))
		b = append(b, x.Namespace...)
		b = binary.BigEndian.AppendUint32(b, x.Shard)
		b = binary.BigEndian.AppendUint64(b, uint64(x.Fence))
		h.Write(append(b, byte(x.State)))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func compareHeld(a, b Held) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return int(a.Shard) - int(b.Shard)
}

// Heartbeat is one sign of life.
type Heartbeat struct {
	NodeID  string
	Session events.Position
	Secret  events.Hash
	Digest  []byte
	// Held is the set itself when Full.
	Held []Held
	Full bool
}

// Answer is the lease: TTL from the sending of the heartbeat, on the sender's
// clock.
type Answer struct {
	TTL      time.Duration
	WantFull bool
}

// EachReleased calls fn for every shard that the node's session said it
// released.
func (l *Leases) EachReleased(node string, session events.Position, fn func(string, uint32, events.Position)) {
	l.each(Released, node, session, fn)
}

// EachPrepared calls fn for every shard that the node's session said it
// prepared, with the fence that its owner has.
func (l *Leases) EachPrepared(node string, session events.Position, fn func(string, uint32, events.Position)) {
	l.each(Prepared, node, session, fn)
}

func (l *Leases) each(state State, node string, session events.Position, fn func(string, uint32, events.Position)) {
	x := l.byNode[node]
	if x == nil || x.session != session {
		return
	}
	for _, h := range x.held {
		if h.State == state {
			fn(h.Namespace, h.Shard, h.Fence)
		}
	}
}

// EachHeld calls fn for every shard that the node's session said it holds, and
// reports whether it said so since this leader was granted its term.
func (l *Leases) EachHeld(node string, session events.Position, fn func(string, uint32, events.Position)) bool {
	x := l.byNode[node]
	if x == nil || x.session != session || !x.heard {
		return false
	}
	for _, h := range x.held {
		fn(h.Namespace, h.Shard, h.Fence)
	}
	return true
}
