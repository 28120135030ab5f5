package projections

import (
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Table is one keyspace of rows and the rule by which events change them.
type Table interface {
	// Spec is the table's number, name and row version. Numbers are append
	// only: core 1, shardmap 10, registry 20 to 29, audit 30, and so on in tens.
	Spec() kv.Table
	// Apply changes the rows that an event is about. It is a pure function of
	// the event and of the rows that it changes; an event that it does not know
	// changes nothing, and a fact is never refused.
	Apply(rows *Rows, rec events.Recorded)
}

// coreTable holds what the projector itself keeps: the index of decisions.
func coreTable() kv.Table { return kv.Table{ID: coreID, Name: "decisions", Version: 1} }

const coreID = 1

// checkTables refuses tables that would share rows.
func checkTables(tables []Table) error {
	seen := map[uint16]string{coreID: coreTable().Name}
	for _, t := range tables {
		s := t.Spec()
		if other, taken := seen[s.ID]; taken {
			return fmt.Errorf("projections: tables %q and %q both have id %d; ids are unique", other, s.Name, s.ID)
		}
		if s.ID == 0 || s.Version == 0 {
			return fmt.Errorf("projections: table %q has id %d and version %d; both begin at 1", s.Name, s.ID, s.Version)
		}
		seen[s.ID] = s.Name
	}
	return nil
}

// Codec turns rows into bytes and back. Encoding is deterministic.
type Codec[M any] interface {
	// Append appends the encoding of a row.
	Append(dst []byte, row M) ([]byte, error)
	// Parse decodes a row; it does not keep the bytes.
	Parse(data []byte) (M, error)
}
