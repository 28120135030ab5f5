package server

import (
	"maps"
	"slices"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/placement"
)

// What a simulation supposes to be otherwise than it is: nodes lost, weights,
// rules, a load bound.

// otherwise are the nodes without those that are lost, by the weights given.
func otherwise(nodes []placement.Node, q *controlv1.ShardSimulationRequest) ([]placement.Node, error) {
	at := make(map[string]int, len(nodes))
	for i, n := range nodes {
		at[n.ID] = i
	}
	for _, id := range slices.Sorted(maps.Keys(q.Weights)) {
		i, known := at[id]
		if !known {
			return nil, badField("weights", "nodes that are placed on", "names %.80q, which is none", id)
		}
		w, err := placement.WeightOf(q.Weights[id])
		if err != nil {
			return nil, badField("weights", "0.001 to 100", "has %v for %.80q", q.Weights[id], id)
		}
		nodes[i].Weight = w
	}
	for _, id := range q.Lose {
		if _, known := at[id]; !known {
			return nil, badField("lose", "nodes that are placed on", "names %.80q, which is none", id)
		}
	}
	return slices.DeleteFunc(nodes, func(n placement.Node) bool { return slices.Contains(q.Lose, n.ID) }), nil
}

// constrain puts the simulation under the rules that are supposed, or those of the
// namespace.
func (sim *simulation) constrain(strategy string, q *controlv1.ShardSimulationRequest) error {
	given := sim.namespace.Rules
	if q.Rules != nil {
		given = q.Rules
	}
	rules, err := rulesOf(given)
	if err != nil {
		return err
	}
	if rules != nil {
		if err := sim.input.Constrain(*rules); err != nil {
			return ruleFault(err)
		}
	}
	bound := sim.namespace.LoadBound
	if q.LoadBound != nil {
		bound = *q.LoadBound
	}
	permille, err := loadBoundOf(bound)
	if err != nil {
		return err
	}
	if strategy == placement.Ring || strategy == placement.Rendezvous {
		return sim.input.Bound(int(permille))
	}
	if permille != 0 && q.LoadBound != nil {
		return badField("loadBound", "0 with strategy "+strategy+"; ring and rendezvous have one", "is %v", bound)
	}
	return nil
}

// standOnReaders lets shards whose node is lost count as on a reader, as the
// placer does: on the one with the lowest load per weight so far.
func (sim *simulation) standOnReaders() {
	nodes := sim.input.Nodes()
	load := make([]int, len(nodes))
	for s := range sim.rows {
		if o := sim.input.Current(s); o != placement.NoOwner {
			load[o]++
		}
	}
	for s, row := range sim.rows {
		if sim.input.Current(s) != placement.NoOwner || sim.input.Fixed(s) {
			continue
		}
		best := placement.NoOwner
		for _, id := range row.GetReaderNodeIds() {
			i := sim.input.Index(id)
			if i != placement.NoOwner && (best == placement.NoOwner ||
				int64(load[i])*int64(nodes[best].Weight) < int64(load[best])*int64(nodes[i].Weight)) {
				best = i
			}
		}
		if best != placement.NoOwner {
			sim.input.Own(s, 1, best)
			load[best]++
		}
	}
}
