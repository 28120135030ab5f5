package projections

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// ProtoCodec keeps messages as they are on the wire.
type ProtoCodec[M proto.Message] struct {
	// New returns an empty message.
	New func() M
}

// Append implements [Codec].
func (c ProtoCodec[M]) Append(dst []byte, row M) ([]byte, error) {
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, row)
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", row.ProtoReflect().Descriptor().Name(), err)
	}
	return out, nil
}

// Parse implements [Codec].
func (c ProtoCodec[M]) Parse(data []byte) (M, error) {
	row := c.New()
	if err := proto.Unmarshal(data, row); err != nil {
		var none M
		return none, fmt.Errorf("%s does not decode: %w", row.ProtoReflect().Descriptor().Name(), err)
	}
	return row, nil
}
