package shardmap

import (
	"github.com/omnirelay/omnirelay/store/kv"
)

// count moves a shard from what it was to what it is, in the index of nodes and
// in the counters. old or r is nil when there is no row before or after.
func (a *applier) count(pk kv.Key, old, r *row) {
	for _, node := range [2]string{old.GetOwnerNodeId(), old.GetMoveToNodeId()} {
		if node != "" && !concerns(r, node) {
			a.rows.IndexDelete(a.nodeKey(node, pk))
		}
	}
	for _, node := range [2]string{r.GetOwnerNodeId(), r.GetMoveToNodeId()} {
		if node != "" && !concerns(old, node) {
			a.rows.IndexPut(a.nodeKey(node, pk))
		}
	}
	if old == nil {
		a.tally(r.Namespace, counterTotal, 1)
	}
	if r == nil {
		a.tally(old.Namespace, counterTotal, -1)
	}
	a.weigh(old, -1, r)
	a.weigh(r, 1, old)
	a.touchRow(old, r)
}

// concerns reports whether a node owns the shard or shall own it; nil concerns
// none.
func concerns(r *row, node string) bool {
	return r != nil && (r.OwnerNodeId == node || r.MoveToNodeId == node)
}

// nodeKey is an index key, valid until the next.
func (a *applier) nodeKey(node string, pk kv.Key) []byte {
	a.key = append(kv.AppendString(a.key[:0], node), pk...)
	return a.key
}

// weigh adds by for what the one row is and the other is not.
func (a *applier) weigh(of *row, by int64, other *row) {
	if of == nil {
		return
	}
	if other == nil || other.Status != of.Status {
		a.tally(of.Namespace, statusCounter(of.Status), by)
	}
	if of.OwnerNodeId == "" && (other == nil || other.OwnerNodeId != "") {
		a.tally(of.Namespace, counterUnowned, by)
	}
	if moving(of) && (other == nil || !moving(other)) {
		a.tally(of.Namespace, counterMoving, by)
	}
	if of.QuarantinedAt != nil && (other == nil || other.QuarantinedAt == nil) {
		a.tally(of.Namespace, counterQuarantined, by)
	}
}

// tally adds to a counter of a namespace and to the same of all.
func (a *applier) tally(namespace, what string, by int64) {
	a.rows.CountIn(namespace, what, by)
	a.rows.Count(what, by)
}

func (a *applier) touchRow(old, r *row) {
	if r != nil {
		a.touch(r.Namespace)
		return
	}
	a.touch(old.Namespace)
}

// touch notes where rows of a namespace, and any rows, last changed.
func (a *applier) touch(namespace string) {
	if a.touched == namespace && namespace != "" {
		return
	}
	a.touched = namespace
	a.rows.TouchIn(namespace, counterChanged)
	a.rows.Touch(counterChanged)
}
