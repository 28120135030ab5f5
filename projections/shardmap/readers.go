package shardmap

import (
	"bytes"
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
	for _, pk := range a.rows.IndexKeys(involvedKey(node)) {
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

// involved are the nodes beside its owner that a row is about.
func involved(r *row) []string {
	nodes := r.GetReaderNodeIds()
	if to := r.GetMoveToNodeId(); to != "" && !slices.Contains(nodes, to) {
		nodes = append(slices.Clip(nodes), to)
	}
	return nodes
}

// indexInvolved keeps the index of who reads what and is moved what.
func (a *applier) indexInvolved(pk kv.Key, old, r *row) {
	before, now := involved(old), involved(r)
	for _, node := range before {
		if !slices.Contains(now, node) {
			a.rows.IndexDelete(append(involvedKey(node), pk...))
		}
	}
	for _, node := range now {
		if !slices.Contains(before, node) {
			a.rows.IndexPut(append(involvedKey(node), pk...))
		}
	}
}

// scanInvolved goes by the indices of owners and of others, which know the present
// alone, in the order of primary keys.
func scanInvolved(v *projections.View, f Filter, after []byte, fn func(pk, raw []byte) bool) error {
	var pks [][]byte
	for _, prefix := range []kv.Key{ownerKey(f.Involves), involvedKey(f.Involves)} {
		err := v.IndexScan(ID, projections.Range{Prefix: prefix}, func(key []byte) bool {
			if pk := key[len(prefix):]; bytes.Compare(pk, after) > 0 {
				pks = append(pks, bytes.Clone(pk))
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(pks, bytes.Compare)
	for _, pk := range slices.CompactFunc(pks, bytes.Equal) {
		raw, _, ok, err := v.Get(ID, pk, 0)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		row, err := Codec{}.Parse(raw)
		if err != nil {
			return err
		}
		if f.Match(row) && !fn(pk, raw) {
			return nil
		}
	}
	return nil
}
