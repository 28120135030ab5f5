package kv

import (
	"bytes"
	"encoding/binary"
)

// A space is the first byte of a physical key. Append only.
type space byte

const (
	spaceMeta    space = 0x01 // caller's meta, key → value
	spaceApplied space = 0x02 // table → position
	spaceCurrent space = 0x10 // table | pk → position, value
	spaceVersion space = 0x20 // table | pk | ^position → tag, value
	spaceChange  space = 0x30 // table | position | pk → nothing
	spaceIndex   space = 0x40 // table | key → nothing
	spaceDead    space = 0x50 // table | pk → position of the last deletion
	spaceSeries  space = 0x60 // table | prefix | first number → the next ones
)

// rowSpaces are the spaces that belong to a table, all of which DropTable
// empties.
func rowSpaces() [6]space {
	return [6]space{spaceCurrent, spaceVersion, spaceChange, spaceIndex, spaceDead, spaceSeries}
}

// headerLen is the length of space and table before a primary key.
const headerLen = 1 + tableKeyLen

// appendHeader starts a key of a table's space.
func appendHeader(dst []byte, sp space, t Table) []byte {
	return t.append(append(dst, byte(sp)))
}

// appendKey is header, key, sentinel.
func appendKey(dst []byte, sp space, t Table, key []byte) []byte {
	dst = append(appendHeader(dst, sp, t), key...)
	return append(dst, sentinel)
}

// appendVersionKey is the key of a row's version at pos. Seeking it finds the
// newest version at or before pos.
func appendVersionKey(dst []byte, t Table, pk []byte, pos uint64) []byte {
	return appendSuffix(appendKey(dst, spaceVersion, t, pk), pos)
}

func appendSuffix(dst []byte, pos uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, ^pos)
	return append(dst, suffixLen)
}

func appendChangeKey(dst []byte, t Table, pos uint64, pk []byte) []byte {
	dst = appendHeader(dst, spaceChange, t)
	dst = binary.BigEndian.AppendUint64(dst, pos)
	dst = append(dst, pk...)
	return append(dst, sentinel)
}

func appendMetaKey(dst []byte, name string) []byte {
	dst = append(dst, byte(spaceMeta))
	dst = append(dst, name...)
	return append(dst, sentinel)
}

func appendAppliedKey(dst []byte, t Table) []byte {
	dst = t.append(append(dst, byte(spaceApplied)))
	return append(dst, sentinel)
}

// decodeKey returns the part of a current or index key after the header.
func decodeKey(key []byte) ([]byte, error) {
	if len(key) < headerLen+1 || key[len(key)-1] != sentinel {
		return nil, corruptf("key %x is not header, key, sentinel", key)
	}
	return key[headerLen : len(key)-1], nil
}

// decodeVersionKey returns primary key and position.
func decodeVersionKey(key []byte) (pk []byte, pos uint64, err error) {
	n := splitKey(key)
	if n == len(key) || n < headerLen+1 {
		return nil, 0, corruptf("version key %x has no position", key)
	}
	return key[headerLen : n-1], ^binary.BigEndian.Uint64(key[n:]), nil
}

func decodeChangeKey(key []byte) (pos uint64, pk []byte, err error) {
	const at = headerLen + 8
	if len(key) < at+1 || key[len(key)-1] != sentinel {
		return 0, nil, corruptf("change key %x has no position", key)
	}
	return binary.BigEndian.Uint64(key[headerLen:at]), key[at : len(key)-1], nil
}

// bounds are the physical bounds [lower, upper) of keys that start with prefix
// and come after the key `after`, which may be nil. One allocation serves both.
func bounds(sp space, t Table, prefix, after []byte) (lower, upper []byte) {
	lower = appendKey(make([]byte, 0, headerLen+len(prefix)+len(after)+2), sp, t, prefix)
	if len(after) > 0 && bytes.Compare(after, prefix) >= 0 {
		// after+0x00 is the very next primary key in byte order.
		lower = append(appendKey(lower[:0], sp, t, after), sentinel)
	}
	return lower, upperBound(appendHeader(make([]byte, 0, headerLen+len(prefix)+1), sp, t), prefix)
}

// upperBound is the first key beyond all that start with header and prefix. The
// header begins with a space below 0xff, so there always is one.
func upperBound(header, prefix []byte) []byte {
	key := append(header, prefix...)
	for key[len(key)-1] == 0xff {
		key = key[:len(key)-1]
	}
	key[len(key)-1]++
	return append(key, sentinel)
}
