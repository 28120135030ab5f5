package shardmap

import (
	"strconv"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// ID is the table's number.
const ID = 10

// Table keeps the rows of shards.
type Table struct{}

var _ projections.Table = Table{}

// Spec implements [projections.Table].
func (Table) Spec() kv.Table { return kv.Table{ID: ID, Name: "shards", Version: 3} }

// namespaceKey is the beginning of the primary keys of a namespace's shards.
func namespaceKey(namespace string) kv.Key { return kv.Key{}.String(namespace) }

// shardKey is a primary key: namespace, then number, so that a list goes by
// number and not by the letters of it.
func shardKey(namespace string, id uint32) kv.Key { return namespaceKey(namespace).Uint32(id) }

// ownerKey is the beginning of the index keys of an owner's shards: owner, then
// primary key.
func ownerKey(owner string) kv.Key { return kv.Key{}.String(owner) }

// involvedKey is the beginning of the index keys of what a node reads or is moved
// to. A name never begins with a zero byte, so these are apart from those of owners.
func involvedKey(node string) kv.Key { return kv.Key{}.String("\x00" + node) }

// parseID reads a shard id as users write it.
func parseID(id string) (uint32, bool) {
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), err == nil && strconv.FormatUint(n, 10) == id
}

// Names of counters, each for a namespace and for all.
const (
	counterTotal   = "total"
	counterUnowned = "unowned"
	counterMoving  = "moving"
	counterStatus  = "status/"
	counterChanged = "changed"

	counterQuarantined = "quarantined"
)

func statusCounter(s controlv1.ShardStatus) string { return counterStatus + strconv.Itoa(int(s)) }
