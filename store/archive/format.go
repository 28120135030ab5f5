package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// An archive, numbers big endian, checksums CRC-32C of the part before them:
//
//	header   magic 8 | format 2 | length of the rest 2 | cluster length 1 | cluster |
//	         log id 16 | created 8 | era 8 | position 8 | sequence 8 | hash 32 | time 8 | checksum 4
//	frame    'F' | length 4 | stored bytes | checksum 4
//	trailer  'E' | frames 8 | position 8 | hash 32 | checksum 4
//	sum      SHA-256 of all before it, 32
//
// The header says what the archive ends with, so that a restore from a pipe knows
// its era before it has read the frames; the trailer confirms it.
const (
	magic         = "ORarchiv"
	formatVersion = 1
	kindFrame     = 'F'
	kindTrailer   = 'E'

	maxCluster  = 255
	prefixBytes = len(magic) + 4
	fixedBytes  = 1 + 16 + 8 + markBytes + sumBytes // of a header's rest, without the cluster
	markBytes   = 8 + 8 + 8 + events.HashSize + 8
	trailerSize = 1 + 8 + 8 + events.HashSize
	sumBytes    = 4
)

// Header is what an archive says of itself.
type Header struct {
	Cluster string
	// Created is when the archive was begun, Unix nanoseconds.
	Created int64
	// Mark is the end of the log that the archive holds.
	Mark store.Mark
}

// Summary is a whole archive.
type Summary struct {
	Header
	// Bytes and Sum are the length and the SHA-256 of the whole file.
	Bytes int64
	Sum   [32]byte
}

func checksum(parts ...[]byte) uint32 {
	crc := uint32(0)
	for _, p := range parts {
		crc = crc32.Update(crc, crc32.MakeTable(crc32.Castagnoli), p)
	}
	return crc
}

func (h Header) encode() ([]byte, error) {
	if len(h.Cluster) == 0 || len(h.Cluster) > maxCluster {
		return nil, fmt.Errorf("archive: the cluster's name has %d bytes (allowed: 1 to %d)", len(h.Cluster), maxCluster)
	}
	if h.Mark.Sequence == 0 {
		return nil, errors.New("archive: the log is empty")
	}
	b := append(make([]byte, 0, prefixBytes+fixedBytes+len(h.Cluster)), magic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(fixedBytes+len(h.Cluster)))
	b = append(append(b, byte(len(h.Cluster))), h.Cluster...)
	b = append(b, h.Mark.LogID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Created))
	b = binary.BigEndian.AppendUint64(b, h.Mark.Era)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Mark.Position))
	b = binary.BigEndian.AppendUint64(b, h.Mark.Sequence)
	b = append(b, h.Mark.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Mark.Time))
	return binary.BigEndian.AppendUint32(b, checksum(b)), nil
}

// decodeRest reads what follows the prefix, its checksum known to be good. It
// returns what is wrong, or "".
func (h *Header) decodeRest(b []byte) string {
	n := int(b[0])
	if len(b) != fixedBytes+n {
		return fmt.Sprintf("a name of %d bytes does not fit into a header of %d", n, len(b))
	}
	h.Cluster, b = string(b[1:1+n]), b[1+n:]
	copy(h.Mark.LogID[:], b)
	b = b[16:]
	h.Created = int64(binary.BigEndian.Uint64(b))
	h.Mark.Era = binary.BigEndian.Uint64(b[8:])
	h.Mark.Position = events.Position(binary.BigEndian.Uint64(b[16:]))
	h.Mark.Sequence = binary.BigEndian.Uint64(b[24:])
	copy(h.Mark.Hash[:], b[32:])
	h.Mark.Time = int64(binary.BigEndian.Uint64(b[64:]))
	switch {
	case n == 0:
		return "the cluster has no name"
	case h.Mark.Sequence == 0 || h.Mark.Position == 0 || h.Mark.Position > events.MaxPosition || h.Mark.Era == 0:
		return fmt.Sprintf("it is of era %d, frame %d, position %d", h.Mark.Era, h.Mark.Sequence, h.Mark.Position)
	}
	return ""
}

func frameHead(length int) [5]byte {
	head := [5]byte{kindFrame}
	binary.BigEndian.PutUint32(head[1:], uint32(length))
	return head
}

func encodeTrailer(m store.Mark) []byte {
	b := append(make([]byte, 0, trailerSize+sumBytes), kindTrailer)
	b = binary.BigEndian.AppendUint64(b, m.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Position))
	b = append(b, m.Hash[:]...)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}
