package member

import (
	"crypto/sha256"
	"encoding/binary"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// digestOf is the digest of a held set in its order: SHA-256 over its lines,
// each namespace as length and bytes, numbers as big endian. ops/sessions
// computes the same; a golden vector in both packages keeps them together.
func digestOf(held []Held) []byte {
	h := sha256.New()
	var b []byte
	for _, x := range held {
		b = binary.BigEndian.AppendUint32(b[:0], uint32(len(x.Namespace)))
		b = append(b, x.Namespace...)
		b = binary.BigEndian.AppendUint32(b, x.Shard)
		b = binary.BigEndian.AppendUint64(b, uint64(x.Fence))
		h.Write(append(b, byte(x.State)))
	}
	return h.Sum(nil)
}

func heldProto(held []Held) []*controlv1.HeldShard {
	lines := make([]controlv1.HeldShard, len(held))
	out := make([]*controlv1.HeldShard, len(held))
	for i, x := range held {
		l := &lines[i]
		l.Namespace, l.Shard, l.FenceToken, l.State = x.Namespace, x.Shard, x.Fence, controlv1.HoldState(x.State)
		out[i] = l
	}
	return out
}
