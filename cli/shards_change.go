package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/cli/render"
)

func simulateShards(c *call) error {
	req := &controlv1.ShardSimulationRequest{Namespace: c.String("namespace"), StrategyId: c.String("strategy")}
	for _, node := range c.StringSlice("nodes") {
		req.Nodes = append(req.Nodes, &controlv1.ShardSimulationNode{NodeId: node, Weight: 1})
	}
	if err := c.suppose(req); err != nil {
		return err
	}
	var err error
	if req.Read, err = c.readOptions(time.Now()); err != nil {
		return err
	}
	res, err := c.client.Shards.Simulate(c.ctx, req)
	if err != nil {
		return err
	}
	switch c.out.Format {
	case render.JSON, render.YAML:
		return render.Message(c.out, res, "")
	}
	if err := render.List(c.out, simulationView(), res.GetChanges(), res.GetPosition(), ""); err != nil || c.out.Format == render.Name {
		return err
	}
	p := res.GetCertificate()
	_, err = fmt.Fprintf(c.out.W, "\n%s: %d would move (no fewer than %d can), %d would be placed; max/mean %s/%s now, %s/%s after (lower bound of max %s)\n",
		res.GetStrategyId(), p.GetMoved(), p.GetLowerBoundMoves(), p.GetPlaced(),
		decimal(p.GetMaxBefore()), decimal(p.GetMeanBefore()), decimal(p.GetMaxAfter()), decimal(p.GetMeanAfter()), decimal(p.GetLowerBoundMax()))
	if err == nil && p.GetBinding() != "" && len(res.GetUnplaceable()) == 0 { // they say the same
		_, err = fmt.Fprintf(c.out.W, "bound by %s\n", p.GetBinding())
	}
	for _, u := range res.GetUnplaceable() {
		if err == nil {
			_, err = fmt.Fprintf(c.out.W, "unplaceable: %s, because %s\n", u.GetShards(), u.GetBecause())
		}
	}
	return err
}

// suppose puts into a simulation what flags say is otherwise than it is.
func (c *call) suppose(req *controlv1.ShardSimulationRequest) error {
	req.Lose = filled(c.StringSlice("lose"))
	for _, text := range filled(c.StringSlice("weight")) {
		node, weight, _ := strings.Cut(text, "=")
		w, err := strconv.ParseFloat(weight, 64)
		if err != nil || node == "" {
			return usage("--weight: %q is no weight of a node (allowed: NODE=W, for example n2=2)", text)
		}
		if req.Weights == nil {
			req.Weights = map[string]float64{}
		}
		req.Weights[node] = w
	}
	if c.IsSet("load-bound") {
		req.LoadBound = proto.Float64(c.Float64("load-bound"))
	}
	if _, given, err := c.rules(nil); err != nil || !given {
		return err
	}
	read, err := c.readOptions(time.Now())
	if err != nil {
		return err
	}
	now, err := c.client.Namespaces.Get(c.ctx, &controlv1.GetNamespaceRequest{Namespace: req.Namespace, Read: read})
	if err != nil {
		return err
	}
	req.Rules, _, err = c.rules(now.GetRules())
	return err
}

func simulationView() render.View[*controlv1.ShardSimulationChange] {
	name := func(s *controlv1.ShardSimulationChange) string { return s.GetNamespace() + "/" + s.GetShardId() }
	return render.View[*controlv1.ShardSimulationChange]{
		Ref: name,
		Columns: []render.Column[*controlv1.ShardSimulationChange]{
			{Name: "SHARD", Value: name},
			{Name: "FROM", Value: func(s *controlv1.ShardSimulationChange) string { return dash(s.GetCurrentOwner()) }},
			{Name: "TO", Value: func(s *controlv1.ShardSimulationChange) string { return dash(s.GetProposedOwner()) }},
		},
	}
}

func moveShards(c *call) error {
	namespace, ids, err := shardRefs(c.Args().Slice())
	if err != nil {
		return err
	}
	to := c.String("to")
	question := "move %s of %s to %s?"
	if c.Bool("force") {
		question = "take %s of %s from their owners, for %s? Sessions of live owners are closed"
	}
	if err := c.confirm(question, plural(len(ids), "shard"), namespace, to); err != nil {
		return err
	}
	r, err := c.client.Shards.Move(c.ctx, &controlv1.MoveShardsRequest{Namespace: namespace, ShardIds: ids, ToNodeId: to, Force: c.Bool("force"), Mutation: c.mutation()})
	if err != nil {
		return err
	}
	if !c.Bool("wait") || r.GetDryRun() {
		return c.receipt(r, fmt.Sprintf("move of %s of %s to %s started", plural(len(ids), "shard"), namespace, to))
	}
	if err := awaitMoves(c, namespace, ids, to, r.GetPosition()); err != nil {
		return err
	}
	return c.receipt(r, fmt.Sprintf("%s of %s moved to %s; the move started", plural(len(ids), "shard"), namespace, to))
}

func cancelMoves(c *call) error {
	namespace, ids, err := shardRefs(c.Args().Slice())
	if err != nil {
		return err
	}
	r, err := c.client.Shards.CancelMove(c.ctx, &controlv1.CancelShardMovesRequest{Namespace: namespace, ShardIds: ids, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, fmt.Sprintf("move of %s of %s cancelled", plural(len(ids), "shard"), namespace))
}

func pauseShards(c *call) error {
	namespace, ids, err := shardRefs(c.Args().Slice())
	if err != nil {
		return err
	}
	if err := c.confirm("pause %s of %s?", plural(len(ids), "shard"), namespace); err != nil {
		return err
	}
	r, err := c.client.Shards.Pause(c.ctx, &controlv1.PauseShardsRequest{Namespace: namespace, ShardIds: ids, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, fmt.Sprintf("%s of %s paused", plural(len(ids), "shard"), namespace))
}

func resumeShards(c *call) error {
	namespace, ids, err := shardRefs(c.Args().Slice())
	if err != nil {
		return err
	}
	r, err := c.client.Shards.Resume(c.ctx, &controlv1.ResumeShardsRequest{Namespace: namespace, ShardIds: ids, Mutation: c.mutation()})
	if err != nil {
		return err
	}
	return c.receipt(r, fmt.Sprintf("%s of %s resumed", plural(len(ids), "shard"), namespace))
}
