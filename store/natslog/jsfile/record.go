package jsfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/minio/highwayhash"
)

// Layout of a record in a block file, as nats-server 2.15.2 writes it
// (filestore.go, writeMsgRecordLocked); little endian:
//
//	length 4 | sequence 8 | time 8 | subject length 2 | subject
//	[ header length 4 | header ] | payload | checksum 8
//
// The length counts the whole record; its high bit says that there are headers.
// The checksum is HighwayHash-64, keyed with SHA-256 of "<stream>-<block>", of
// sequence, time, subject, header and payload.
const (
	recordHead    = 22
	recordSum     = 8
	recordLeast   = recordHead + recordSum
	recordMost    = 32 << 20 // what the server takes for damage
	headersBit    = 1 << 31
	erasedBit     = 1 << 63
	tombstoneBit  = 1 << 62
	headersLength = 4
)

// record is one whole, verified record. payload points into the block.
type record struct {
	sequence uint64
	length   int
	payload  []byte
}

// digester verifies the records of one block.
type digester struct{ hash *highwayhash.Digest64 }

func newDigester(stream string, block uint32) (digester, error) {
	h, err := keyed(fmt.Sprintf("%s-%d", stream, block))
	return digester{h}, err
}

// parse reads the record at the start of buf. problem says what is wrong with
// it, "" when nothing is; the record's sequence is then what the bytes say, for
// what that is worth.
func (d digester) parse(buf []byte) (r record, problem string) {
	if len(buf) < recordHead {
		return r, fmt.Sprintf("the file ends %d bytes into a record", len(buf))
	}
	length := binary.LittleEndian.Uint32(buf)
	headers := length&headersBit != 0
	r.length = int(length &^ headersBit)
	r.sequence = binary.LittleEndian.Uint64(buf[4:])
	subject := int(binary.LittleEndian.Uint16(buf[20:]))
	from := recordHead + subject
	if headers {
		from += headersLength
	}
	switch {
	case r.length < recordLeast || r.length > recordMost || from > r.length-recordSum:
		return r, fmt.Sprintf("a record claims a length of %d bytes", r.length)
	case r.length > len(buf):
		return r, fmt.Sprintf("the file ends %d bytes into a record of %d", len(buf), r.length)
	}
	end := r.length - recordSum
	d.hash.Reset()
	_, _ = d.hash.Write(buf[4:20])
	_, _ = d.hash.Write(buf[recordHead : recordHead+subject])
	_, _ = d.hash.Write(buf[from:end])
	var sum [recordSum]byte
	if !bytes.Equal(d.hash.Sum(sum[:0]), buf[end:r.length]) {
		return r, "a record's checksum does not match"
	}
	if headers {
		// The header's length is not under the checksum.
		h := int(binary.LittleEndian.Uint32(buf[from-headersLength:]))
		if h < 0 || from+h > end {
			return r, fmt.Sprintf("a record claims a header of %d bytes", h)
		}
		from += h
	}
	r.payload = buf[from:end]
	return r, ""
}

// RecordBytes is what a message takes in a block file.
func RecordBytes(subject string, header, payload int) int64 {
	n := recordLeast + len(subject) + payload
	if header > 0 {
		n += headersLength + header
	}
	return int64(n)
}

// digest is the checksum that nats-server gives to what is kept under a name.
func digest(name string, data []byte) ([]byte, error) {
	h, err := keyed(name)
	if err != nil {
		return nil, err
	}
	_, _ = h.Write(data)
	return h.Sum(nil), nil
}

// keyed is the hash of what nats-server keeps under a name.
func keyed(name string) (*highwayhash.Digest64, error) {
	key := sha256.Sum256([]byte(name))
	h, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, fmt.Errorf("jsfile: checksum of %s: %w", name, err)
	}
	return h, nil
}
