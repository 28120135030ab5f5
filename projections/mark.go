package projections

import (
	"encoding/binary"
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Names of what a commit keeps beside the rows.
const (
	// metaMark is the mark of the last frame that is wholly applied.
	metaMark = "projector/mark"
	// metaCut is the sequence of a frame of which a part is applied.
	metaCut = "projector/cut"
	// metaTables are the table versions that serve.
	metaTables = "projector/tables"
)

const markLen = 16 + 8 + 8 + events.HashSize + 8 + 8

func encodeMark(m store.Mark) []byte {
	b := append(make([]byte, 0, markLen), m.LogID[:]...)
	b = binary.BigEndian.AppendUint64(b, m.Era)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Position))
	b = append(b, m.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Time))
	return binary.BigEndian.AppendUint64(b, m.Sequence)
}

func decodeMark(b []byte) (m store.Mark, err error) {
	if len(b) != markLen {
		return m, fmt.Errorf("%w: the mark has %d bytes; allowed are %d", kv.ErrCorrupt, len(b), markLen)
	}
	copy(m.LogID[:], b)
	m.Era = binary.BigEndian.Uint64(b[16:])
	m.Position = events.Position(binary.BigEndian.Uint64(b[24:]))
	copy(m.Hash[:], b[32:])
	b = b[32+events.HashSize:]
	m.Time = int64(binary.BigEndian.Uint64(b))
	m.Sequence = binary.BigEndian.Uint64(b[8:])
	return m, nil
}

// encodeTables lists table ids and versions.
func encodeTables(tables map[uint16]kv.Table) []byte {
	var b []byte
	for id := range 1 << 16 {
		if t, ok := tables[uint16(id)]; ok {
			b = binary.BigEndian.AppendUint16(b, t.ID)
			b = binary.BigEndian.AppendUint32(b, t.Version)
		}
	}
	return b
}

// decodeTables reads what encodeTables wrote; names come from known tables.
func decodeTables(b []byte, names map[uint16]string) (map[uint16]kv.Table, error) {
	if len(b)%6 != 0 {
		return nil, fmt.Errorf("%w: the list of tables has %d bytes; allowed are multiples of 6", kv.ErrCorrupt, len(b))
	}
	tables := make(map[uint16]kv.Table, len(b)/6)
	for ; len(b) > 0; b = b[6:] {
		id := binary.BigEndian.Uint16(b)
		tables[id] = kv.Table{ID: id, Name: names[id], Version: binary.BigEndian.Uint32(b[2:])}
	}
	return tables, nil
}
