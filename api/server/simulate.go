package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands/placement"
	"github.com/omnirelay/omnirelay/projections/registry"
	"github.com/omnirelay/omnirelay/projections/shardmap"
)

// simulation is a placement that is computed and shown, never carried out.
type simulation struct {
	namespace *namespace
	strategy  placement.Strategy
	input     *placement.Input
	// now is the time that holds are compared with, Unix nanoseconds.
	now int64
	// rows are the shards as they are, by id; kept those that placement leaves
	// where they are.
	rows []*record
	// lost are nodes that are supposed to be.
	lost []string
}

func (s *Server) simulate(ctx context.Context, q *controlv1.ShardSimulationRequest) (*controlv1.ShardSimulationResponse, error) {
	if q.Namespace == "" {
		return nil, badField("namespace", "the name of a namespace", "is missing")
	}
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	ns, err := namespaceAt(r, q.Namespace)
	if err != nil {
		return nil, err
	}
	sim := &simulation{namespace: ns, lost: q.Lose}
	name := q.StrategyId
	if name == "" {
		name = ns.StrategyId
	}
	if sim.strategy, err = placement.Named(name); err != nil {
		return nil, badField("strategyId", strings.Join(placement.Names(), ", "), "%.80q is no strategy", name)
	}
	if sim.now, err = timeOf(r); err != nil {
		return nil, err
	}
	if err := sim.load(r, q); err != nil {
		return nil, err
	}
	if err := sim.constrain(name, q); err != nil {
		return nil, err
	}
	sim.standOnReaders()
	result := sim.strategy(sim.input)
	answer := &controlv1.ShardSimulationResponse{
		Namespace: ns.Namespace, StrategyId: name, GeneratedAt: timestamppb.Now(),
		Certificate: certificateOf(result.Certificate), Position: int64(r.position()),
	}
	for _, u := range result.Unplaceable {
		answer.Unplaceable = append(answer.Unplaceable, &controlv1.UnplaceableShards{
			Shards: formatRanges(u.Shards), Count: int64(u.Count), Because: u.Because,
		})
	}
	if len(result.Nodes) == 0 && len(answer.Unplaceable) == 0 {
		sim.nowhere(result, answer)
	}
	sim.report(result, answer)
	return answer, nil
}

// nowhere names the shards that nobody can have because there is no node. A strategy
// is silent on that: its certificate is of the nodes that there are.
func (sim *simulation) nowhere(result placement.Result, answer *controlv1.ShardSimulationResponse) {
	var ranges []placement.Range
	count := int64(0)
	for id, owner := range result.Owner {
		if owner != placement.NoOwner || sim.input.Fixed(id) {
			continue
		}
		count++
		if n := len(ranges); n > 0 && int(ranges[n-1].First+ranges[n-1].Count) == id {
			ranges[n-1].Count++
			continue
		}
		ranges = append(ranges, placement.Range{First: uint32(id), Count: 1})
	}
	if count == 0 {
		return
	}
	because := fmt.Sprintf("no node with role %s is alive and active", sim.namespace.EligibleRole)
	answer.Unplaceable = []*controlv1.UnplaceableShards{{Shards: formatRanges(ranges), Count: count, Because: because}}
	answer.Certificate.Binding, answer.Certificate.Unplaceable = because, count
}

// timeOf is the time of a reading: now, or that of the decision it is of.
func timeOf(r *reading) (int64, error) {
	if r.at == 0 {
		return max(time.Now().UnixNano(), r.Mark.Time), nil
	}
	d, err := r.Decision(r.at)
	if err != nil {
		return 0, err
	}
	return d.Time, nil
}

// load makes the input: the nodes that are named, or those eligible at the
// reading's position, and the shards as they are there.
func (sim *simulation) load(r *reading, q *controlv1.ShardSimulationRequest) error {
	nodes, err := namedNodes(q.Nodes)
	if err == nil && len(q.Nodes) == 0 {
		nodes, err = eligibleNodes(r, sim.namespace.EligibleRole)
	}
	if err == nil {
		nodes, err = otherwise(nodes, q)
	}
	if err != nil {
		return err
	}
	if sim.input, err = placement.NewInput(sim.namespace.Namespace, int(sim.namespace.ShardCount), nodes); err != nil {
		return badField("nodes", "ids that differ, weights of 0.001 to 100", "cannot be placed on: %s", err)
	}
	sim.rows = make([]*record, sim.namespace.ShardCount)
	return eachShard(r, shardmap.Filter{Namespace: sim.namespace.Namespace})(sim.add)
}

func (sim *simulation) add(row *record) bool {
	id, err := strconv.Atoi(row.ShardId)
	if err != nil || id >= len(sim.rows) {
		return true // no row of this namespace is like that
	}
	sim.rows[id] = row
	sim.input.Own(id, 1, sim.input.Index(countsOn(row)))
	if row.QuarantinedAt != nil { // nobody's, and on nobody's account
		sim.input.Own(id, 1, placement.NoOwner)
		sim.input.Fix(id, 1)
		return true
	}
	// A hold is for the node that has the shard: it does not outlive it.
	held := row.HeldUntil.AsTime().UnixNano() > sim.now && !slices.Contains(sim.lost, row.OwnerNodeId)
	if row.Status == controlv1.ShardStatus_SHARD_STATUS_PAUSED || held {
		sim.input.Fix(id, 1)
	}
	return true
}

// countsOn is the node that a shard counts on: where it is going, its owner, or
// its last one while it has none.
func countsOn(row *record) string {
	switch {
	case row.MoveToNodeId != "":
		return row.MoveToNodeId
	case row.OwnerNodeId != "":
		return row.OwnerNodeId
	}
	return row.LastOwnerNodeId
}

func namedNodes(named []*controlv1.ShardSimulationNode) ([]placement.Node, error) {
	if len(named) > MaxSimulated {
		return nil, badField("nodes", fmt.Sprintf("at most %d nodes", MaxSimulated), "has %d entries", len(named))
	}
	nodes, seen := make([]placement.Node, len(named)), make(map[string]bool, len(named))
	for i, n := range named {
		if seen[n.NodeId] {
			return nil, badField(fmt.Sprintf("nodes[%d].nodeId", i), "ids that differ", "%.80q is given twice", n.NodeId)
		}
		seen[n.NodeId] = true
		nodes[i] = placement.Node{ID: n.NodeId, Weight: placement.One, Region: n.Region, Zone: n.Zone, Labels: n.Labels}
		if n.NodeId == "" {
			return nil, badField(fmt.Sprintf("nodes[%d].nodeId", i), "the id of a node, or one that could be", "is missing")
		}
		if n.Weight == 0 {
			continue
		}
		w, err := placement.WeightOf(n.Weight)
		if err != nil {
			return nil, badField(fmt.Sprintf("nodes[%d].weight", i), "0.001 to 100, or 0 for 1", "is %v", n.Weight)
		}
		nodes[i].Weight = w
	}
	return nodes, nil
}

func eligibleNodes(r *reading, role string) (nodes []placement.Node, err error) {
	err = registry.EachPeer(r.View, "", r.at, func(p *peer) bool {
		if p.Role != role || p.SessionId == 0 || p.Lifecycle != controlv1.PeerLifecycle_PEER_LIFECYCLE_ACTIVE {
			return true
		}
		n := placement.Node{ID: p.NodeId, Weight: placement.One, Region: p.Region, Zone: p.Zone, Labels: p.Labels}
		if w, err := placement.WeightOf(p.Weight); err == nil {
			n.Weight = w
		}
		nodes = append(nodes, n)
		return true
	})
	return nodes, err
}

// report writes who would own what, and whose owner would change.
func (sim *simulation) report(result placement.Result, answer *controlv1.ShardSimulationResponse) {
	answer.Assignments = make([]*controlv1.ShardSimulationAssignment, 0, len(sim.rows))
	for id, row := range sim.rows {
		owner := result.OwnerID(id)
		if sim.input.Fixed(id) {
			owner = row.GetOwnerNodeId() // stays, even where it is not among the nodes
			if slices.Contains(sim.lost, owner) {
				owner = ""
			}
		}
		shard := strconv.Itoa(id)
		answer.Assignments = append(answer.Assignments, &controlv1.ShardSimulationAssignment{
			Namespace: answer.Namespace, ShardId: shard, OwnerNodeId: owner,
			Capacity: row.GetCapacityHint(), LocalityHint: locality(result, id),
		})
		if owner != row.GetOwnerNodeId() {
			answer.Changes = append(answer.Changes, &controlv1.ShardSimulationChange{
				Namespace: answer.Namespace, ShardId: shard,
				CurrentOwner: row.GetOwnerNodeId(), ProposedOwner: owner, ChangesOwner: true,
			})
		}
	}
}

// locality is where the proposed owner is: "region/zone".
func locality(result placement.Result, id int) string {
	if result.Owner[id] == placement.NoOwner {
		return ""
	}
	n := result.Nodes[result.Owner[id]]
	if n.Region == "" && n.Zone == "" {
		return ""
	}
	return n.Region + "/" + n.Zone
}

func certificateOf(c placement.Certificate) *controlv1.PlacementCertificate {
	return &controlv1.PlacementCertificate{
		MaxBefore: c.MaxBefore, MeanBefore: c.MeanBefore, MaxAfter: c.MaxAfter, MeanAfter: c.MeanAfter,
		Moved: int64(c.Moved), Placed: int64(c.Placed),
		LowerBoundMoves: int64(c.LowerBoundMoves), LowerBoundMax: c.LowerBoundMax,
		Binding: c.Binding, Unplaceable: int64(c.Unplaceable),
	}
}
