package shardmap

import (
	"slices"

	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Rows share the lists of their readers with the rows that they were copied from:
// a change makes a new list.

func addReader(r *row, node string) {
	if r.OwnerNodeId == node || slices.Contains(r.ReaderNodeIds, node) {
		return
	}
	r.ReaderNodeIds = append(slices.Clip(r.ReaderNodeIds), node)
	slices.Sort(r.ReaderNodeIds)
}

func dropReader(r *row, node string) {
	if slices.Contains(r.ReaderNodeIds, node) {
		r.ReaderNodeIds = slices.DeleteFunc(slices.Clone(r.ReaderNodeIds), func(n string) bool { return n == node })
	}
	if len(r.ReaderNodeIds) == 0 {
		r.ReaderNodeIds = nil
	}
}

// readerLeft takes a node whose session closed from the shards that it read. It
// read them by that session: a node has one at a time, and nothing outlives it.
func (a *applier) readerLeft(node string) {
	for _, pk := range a.rows.IndexKeys(readerKey(node)) {
		projections.Update(a.rows, sealedCodec{last: &a.sealed}, pk, func(old *row) *row {
			if old == nil || !slices.Contains(old.ReaderNodeIds, node) {
				return old
			}
			r := clone(old)
			dropReader(r, node)
			return a.changed(pk, old, r)
		})
	}
}

// indexReaders keeps the index of who reads what.
func (a *applier) indexReaders(pk kv.Key, before, now []string) {
	if len(before) == 0 && len(now) == 0 {
		return
	}
	for _, node := range before {
		if !slices.Contains(now, node) {
			a.rows.IndexDelete(append(readerKey(node), pk...))
		}
	}
	for _, node := range now {
		if !slices.Contains(before, node) {
			a.rows.IndexPut(append(readerKey(node), pk...))
		}
	}
}
