package kv

import "encoding/binary"

// Tags are the first byte of a value in the version space.
// Append only.
const (
	tagDeleted = 0x00 // nothing follows
	tagRow     = 0x01 // the row follows
)

// decodeRow takes a value of the version space apart. The row shares memory
// with it.
func decodeRow(value []byte) (row []byte, deleted bool, err error) {
	switch {
	case len(value) == 1 && value[0] == tagDeleted:
		return nil, true, nil
	case len(value) > 0 && value[0] == tagRow:
		return value[1:], false, nil
	}
	return nil, false, corruptf("version value of %d bytes begins with no known tag", len(value))
}

// positionLen precedes the row in the current space.
const positionLen = 8

func decodeCurrent(value []byte) (row []byte, pos uint64, err error) {
	if len(value) < positionLen {
		return nil, 0, corruptf("current value has %d bytes; the least is %d", len(value), positionLen)
	}
	return value[positionLen:], binary.BigEndian.Uint64(value), nil
}
