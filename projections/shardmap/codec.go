package shardmap

import (
	"fmt"
	"hash/fnv"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// Codec is the form of rows: the message on the wire, so that a list can hand
// rows over as they are. Encoding is written out here because it is on the path
// of every event; a test holds it equal to proto.Marshal, field by field.
type Codec struct{}

var _ projections.Codec[*controlv1.ShardRecord] = Codec{}

// Parse implements [projections.Codec].
func (Codec) Parse(data []byte) (*controlv1.ShardRecord, error) {
	r := &controlv1.ShardRecord{}
	if err := proto.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("shardmap: row does not decode: %w", err)
	}
	return r, nil
}

// Field numbers of ShardRecord.
const (
	fieldNamespace, fieldShardID, fieldStrategy, fieldOwner, fieldLeader = 1, 2, 3, 4, 5
	fieldCapacity, fieldStatus, fieldVersion, fieldChecksum              = 6, 7, 8, 9
	fieldUpdated, fieldTicket                                            = 10, 11
	fieldFence, fieldSession, fieldLastOwner, fieldMoveTo                = 100, 101, 102, 103
	fieldDeadline, fieldHeldUntil, fieldMoveHold, fieldMovePhase         = 104, 105, 106, 107
	fieldQuarantined, fieldReaders                                       = 108, 109
	fieldSilent, fieldOwnership, fieldOwnershipTTL                       = 110, 111, 112
	fieldDeaths, fieldOverlap, fieldMoveForced                           = 113, 114, 118
)

// Append implements [projections.Codec].
func (Codec) Append(b []byte, r *controlv1.ShardRecord) ([]byte, error) {
	return appendTail(appendString(appendHead(b, r), fieldChecksum, r.Checksum), r), nil
}

// sealed is an encoding without the checksum, which is over it, and the place
// where the checksum belongs. A row is thus encoded once for both.
type sealed struct {
	row  *controlv1.ShardRecord // whose encoding it is
	data []byte
	at   int
}

// seal encodes a row, and returns 16 hex digits over all fields but the checksum.
func (s *sealed) seal(r *controlv1.ShardRecord) string {
	if s.data == nil {
		s.data = make([]byte, 0, usualRow)
	}
	s.row = r
	s.data = appendHead(s.data[:0], r)
	s.at = len(s.data)
	s.data = appendTail(s.data, r)
	h := fnv.New64a()
	_, _ = h.Write(s.data) // a hash never fails
	const digits = "0123456789abcdef"
	sum := h.Sum64()
	var out [16]byte
	for i := range out {
		out[i] = digits[sum>>(60-4*i)&0xf]
	}
	return string(out[:])
}

// usualRow is the length that most rows do not exceed.
const usualRow = 192

// sealedCodec is Codec while a row is applied: the row that was sealed last is
// not encoded again.
type sealedCodec struct {
	Codec
	last *sealed
}

// Append implements [projections.Codec].
func (c sealedCodec) Append(b []byte, r *controlv1.ShardRecord) ([]byte, error) {
	if c.last.row != r {
		return c.Codec.Append(b, r)
	}
	b = append(b, c.last.data[:c.last.at]...)
	b = appendString(b, fieldChecksum, r.Checksum)
	return append(b, c.last.data[c.last.at:]...), nil
}

// appendHead encodes the fields before the checksum.
func appendHead(b []byte, r *controlv1.ShardRecord) []byte {
	b = appendString(b, fieldNamespace, r.Namespace)
	b = appendString(b, fieldShardID, r.ShardId)
	b = appendString(b, fieldStrategy, r.StrategyId)
	b = appendString(b, fieldOwner, r.OwnerNodeId)
	b = appendString(b, fieldLeader, r.LeaderId)
	if bits := math.Float64bits(r.CapacityHint); bits != 0 {
		b = protowire.AppendFixed64(protowire.AppendTag(b, fieldCapacity, protowire.Fixed64Type), bits)
	}
	b = appendVarint(b, fieldStatus, uint64(r.Status))
	return appendVarint(b, fieldVersion, uint64(r.Version))
}

// appendTail encodes the fields after the checksum.
func appendTail(b []byte, r *controlv1.ShardRecord) []byte {
	b = appendTime(b, fieldUpdated, r.UpdatedAt)
	b = appendString(b, fieldTicket, r.ChangeTicket)
	b = appendVarint(b, fieldFence, uint64(r.FenceToken))
	b = appendVarint(b, fieldSession, uint64(r.SessionId))
	b = appendString(b, fieldLastOwner, r.LastOwnerNodeId)
	b = appendString(b, fieldMoveTo, r.MoveToNodeId)
	b = appendTime(b, fieldDeadline, r.MoveDeadline)
	b = appendTime(b, fieldHeldUntil, r.HeldUntil)
	b = appendVarint(b, fieldMoveHold, uint64(r.MoveHoldMs))
	b = appendVarint(b, fieldMovePhase, uint64(r.MovePhase))
	b = appendTime(b, fieldQuarantined, r.QuarantinedAt)
	for _, node := range r.ReaderNodeIds {
		b = protowire.AppendString(appendTag(b, fieldReaders, protowire.BytesType), node)
	}
	b = appendBool(b, fieldSilent, r.OwnerSilent)
	b = appendVarint(b, fieldOwnership, uint64(r.Ownership))
	b = appendVarint(b, fieldOwnershipTTL, uint64(r.OwnershipTtlMs))
	b = appendVarint(b, fieldDeaths, uint64(r.Deaths))
	b = appendBool(b, fieldOverlap, r.Overlap)
	return appendBool(b, fieldMoveForced, r.MoveForced)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(appendTag(b, field, protowire.BytesType), s)
}

// appendTag is protowire.AppendTag, faster for the fields below 16.
func appendTag(b []byte, field protowire.Number, t protowire.Type) []byte {
	if field < 16 {
		return append(b, byte(field)<<3|byte(t))
	}
	return protowire.AppendTag(b, field, t)
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(appendTag(b, field, protowire.VarintType), v)
}

func appendBool(b []byte, field protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return appendVarint(b, field, 1)
}

func appendTime(b []byte, field protowire.Number, t *timestamppb.Timestamp) []byte {
	if t == nil {
		return b
	}
	n := 0
	if t.Seconds != 0 {
		n += 1 + protowire.SizeVarint(uint64(t.Seconds))
	}
	if t.Nanos != 0 {
		n += 1 + protowire.SizeVarint(uint64(t.Nanos))
	}
	b = protowire.AppendVarint(appendTag(b, field, protowire.BytesType), uint64(n))
	return appendVarint(appendVarint(b, 1, uint64(t.Seconds)), 2, uint64(t.Nanos))
}
