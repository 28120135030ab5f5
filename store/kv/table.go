package kv

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

// Table names one keyspace of rows.
type Table struct {
	// ID is the table's number on disk. Append only: an ID is never given to
	// another table. 0 is not allowed.
	ID uint16

	// Name is for people: errors and listings.
	Name string

	// Version of the row format. A table is rebuilt under a new Version beside
	// the old one, which goes on serving; then the old one is dropped.
	Version uint32
}

func (t Table) String() string {
	return fmt.Sprintf("%s(%d.v%d)", t.Name, t.ID, t.Version)
}

// check reports a Table that cannot be stored.
func (t Table) check() error {
	if t.ID == 0 {
		return fmt.Errorf("table %q has ID 0; allowed are 1 to 65535", t.Name)
	}
	return nil
}

// tableKey identifies a table without its name.
type tableKey struct {
	id      uint16
	version uint32
}

// compare orders tables as their keys do.
func (k tableKey) compare(other tableKey) int {
	return cmp.Or(cmp.Compare(k.id, other.id), cmp.Compare(k.version, other.version))
}

func (t Table) key() tableKey { return tableKey{t.ID, t.Version} }

const tableKeyLen = 6

func (t Table) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, t.ID)
	return binary.BigEndian.AppendUint32(dst, t.Version)
}
