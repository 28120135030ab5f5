package shardmap

import (
	"github.com/omnirelay/omnirelay/store/kv"
)

// count moves a shard from what it was to what it is, in the index of owners
// and in the counters. old or r is nil when there is no row before or after.
func (a *applier) count(pk kv.Key, old, r *row) {
	if before, now := old.GetOwnerNodeId(), r.GetOwnerNodeId(); before != now {
		if before != "" {
			a.rows.IndexDelete(a.ownerKey(before, pk))
		}
		if now != "" {
			a.rows.IndexPut(a.ownerKey(now, pk))
		}
	}
	a.indexInvolved(pk, old, r)
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

// ownerKey is an index key, valid until the next.
func (a *applier) ownerKey(owner string, pk kv.Key) []byte {
	a.key = append(kv.AppendString(a.key[:0], owner), pk...)
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
