package audit

import (
	"encoding/binary"

	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// ID is the table's number.
const ID = 30

// Table keeps series of decisions; it has no rows.
type Table struct{}

var _ projections.Table = Table{}

// Spec implements [projections.Table].
func (Table) Spec() kv.Table { return kv.Table{ID: ID, Name: "audit", Version: 2} }

// Kind is what decisions are looked up by. Append only: it is part of keys.
type Kind uint32

// The kinds of keys.
const (
	ByActor       Kind = 1
	ByEntity      Kind = 2
	ByCorrelation Kind = 3
)

// key is the name of the series of one value.
func key(kind Kind, value string) kv.Key { return appendKey(nil, kind, value) }

func appendKey(dst []byte, kind Kind, value string) []byte {
	return kv.AppendString(binary.BigEndian.AppendUint32(dst, uint32(kind)), value)
}
