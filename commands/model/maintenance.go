package model

import (
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/shard"
)

// policies answers what membership asks the policy context.
type policies struct{ *policy.State }

// Windows implements membership.Policies.
func (p policies) Windows(now int64) []membership.Window {
	var in []membership.Window
	p.EachWindow(func(w *policy.Window) bool {
		if w.InForce(now) {
			in = append(in, membership.Window{
				Name: w.Name, NodeIDs: w.NodeIDs, Selectors: w.Selectors, Impact: w.Impact,
				DrainWithin: w.DrainWithin, Since: w.Since(), End: w.End,
			})
		}
		return true
	})
	return in
}

// holdings answers what membership asks the contexts in which nodes hold something.
type holdings struct{ m *Model }

// Owns implements membership.Holdings.
func (h holdings) Owns(node string) int {
	return h.shards(func(ns *shard.Namespace) int { return ns.Owned(node) })
}

// Reads implements membership.Holdings.
func (h holdings) Reads(node string) int {
	return h.shards(func(ns *shard.Namespace) int { return ns.Reading(node) })
}

// shards adds up a count of all namespaces.
func (h holdings) shards(count func(*shard.Namespace) int) (n int) {
	h.m.Shard.EachNamespace(func(ns *shard.Namespace) bool {
		n += count(ns)
		return true
	})
	return n
}

// Leads implements membership.Holdings.
func (h holdings) Leads(node string) int {
	n := 0
	h.m.Leadership.EachScope(func(sc leadership.Scope) bool {
		if sc.Holder == node {
			n++
		}
		return true
	})
	return n
}

// Owns is the number of shards that a node owns.
func (m *Model) Owns(node string) int { return holdings{m}.Owns(node) }

// MaintenanceDue are the nodes that are not in the state that the maintenance
// windows in force at a log time want, in the order of ids.
func (m *Model) MaintenanceDue(now int64) []string {
	return m.Membership.MaintenanceDue(policies{m.Policy}.Windows(now))
}
