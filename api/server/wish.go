package server

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/leadership"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/shard"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// commandOf is the command that a request asks for. It is the one place where
// requests become commands, for unary calls, batches and streams alike.
func (s *Server) commandOf(req proto.Message) (commands.Command, error) {
	switch r := req.(type) {
	case *controlv1.CordonPeerRequest:
		return membership.Cordon{NodeID: r.NodeId}, nil
	case *controlv1.UncordonPeerRequest:
		return membership.Uncordon{NodeID: r.NodeId}, nil
	case *controlv1.DrainPeerRequest:
		within, err := millis("deadlineMs", r.DeadlineMs)
		return membership.Drain{NodeID: r.NodeId, Within: within}, err
	case *controlv1.CancelDrainPeerRequest:
		return membership.CancelDrain{NodeID: r.NodeId}, nil
	case *controlv1.CreateMaintenanceRequest:
		return createMaintenanceCommand(r)
	case *controlv1.EndMaintenanceRequest:
		return policy.EndMaintenance{Name: r.Name}, nil
	case *controlv1.DeleteMaintenanceRequest:
		return policy.DeleteMaintenance{Name: r.Name}, nil
	case *controlv1.UpdatePeerRequest:
		return membership.Update{NodeID: r.NodeId, Labels: r.Labels, Weight: r.Weight}, nil
	case *controlv1.OpenSessionRequest:
		return s.openSessionCommand(r)
	case *controlv1.LeaveRequest:
		return leaveCommand(r)
	case *controlv1.CampaignRequest:
		return leadership.Campaign{
			Scope: r.Scope, NodeID: r.NodeId, Session: events.Position(r.SessionId), Priority: r.Priority, Labels: r.Labels,
		}, nil
	case *controlv1.ResignRequest:
		return leadership.Resign{
			Scope: r.Scope, NodeID: r.NodeId, Session: events.Position(r.SessionId), Term: events.Position(r.Term),
		}, nil
	case *controlv1.SealRequest:
		return control.Seal{}, nil
	case *controlv1.UnsealRequest:
		return control.Unseal{}, nil
	case *controlv1.ReplaceServerRequest:
		return control.ReplaceReplica{Server: r.Server}, nil
	}
	return shardCommandOf(req)
}

func shardCommandOf(req proto.Message) (commands.Command, error) {
	switch r := req.(type) {
	case *controlv1.CreateNamespaceRequest:
		return createCommand(r)
	case *controlv1.UpdateNamespaceRequest:
		return updateCommand(r)
	case *controlv1.DeleteNamespaceRequest:
		return shard.Delete{Namespace: r.Namespace}, nil
	case *controlv1.MoveShardsRequest:
		ids, err := shardIDs(r.ShardIds)
		return shard.Move{Namespace: r.Namespace, Shards: ids, To: r.ToNodeId, Force: r.Force}, err
	case *controlv1.CancelShardMovesRequest:
		ids, err := shardIDs(r.ShardIds)
		return shard.CancelMoves{Namespace: r.Namespace, Shards: ids}, err
	case *controlv1.PauseShardsRequest:
		ids, err := shardIDs(r.ShardIds)
		return shard.Pause{Namespace: r.Namespace, Shards: ids}, err
	case *controlv1.ResumeShardsRequest:
		ids, err := shardIDs(r.ShardIds)
		return shard.Resume{Namespace: r.Namespace, Shards: ids}, err
	case *controlv1.UnquarantineShardsRequest:
		ids, err := shardIDs(r.ShardIds)
		return shard.Unquarantine{Namespace: r.Namespace, Shards: ids}, err
	case *controlv1.SetQuarantinePolicyRequest:
		return quarantineCommand(r)
	}
	return scheduleCommandOf(req)
}

func scheduleCommandOf(req proto.Message) (commands.Command, error) {
	switch r := req.(type) {
	case *controlv1.CreateScheduleRequest:
		return createScheduleCommand(r)
	case *controlv1.DeleteScheduleRequest:
		return schedule.Remove{Name: r.Name}, nil
	case *controlv1.PauseScheduleRequest:
		return schedule.Pause{Name: r.Name}, nil
	case *controlv1.ResumeScheduleRequest:
		return schedule.Resume{Name: r.Name}, nil
	}
	return nil, internal(fmt.Errorf("%s is no command", req.ProtoReflect().Descriptor().Name()))
}

// parseShard reads a shard id: a decimal number as the server writes it.
func parseShard(field, id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != id {
		return 0, badField(field, fmt.Sprintf("a decimal number, 0 to %d", events.MaxShards-1), "is %.80q", id)
	}
	return uint32(n), nil
}

func shardIDs(ids []string) ([]uint32, error) {
	out := make([]uint32, len(ids))
	for i, id := range ids {
		n, err := parseShard(fmt.Sprintf("shardIds[%d]", i), id)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

// countOf reads a number of shards; what fits the deciders judge.
func countOf(n int32) (uint32, error) {
	if n < 1 {
		return 0, badField("shardCount", fmt.Sprintf("1 to %d", events.MaxShards), "is %d", n)
	}
	return uint32(n), nil
}

func createCommand(r *controlv1.CreateNamespaceRequest) (commands.Command, error) {
	count, err := countOf(r.ShardCount)
	if err != nil {
		return nil, err
	}
	// Bounded before it is multiplied: a product that wraps to 0 would pass.
	if most := int64(shard.MaxOwnershipTTL / time.Millisecond); r.OwnershipTtlMs < 0 || r.OwnershipTtlMs > most {
		return nil, badField("ownershipTtlMs", fmt.Sprintf("0 to %d", most), "is %d", r.OwnershipTtlMs)
	}
	rules, err := rulesOf(r.Rules)
	if err != nil {
		return nil, err
	}
	readers, err := amount("readers", r.Readers)
	if err != nil {
		return nil, err
	}
	bound, err := loadBoundOf(r.LoadBound)
	if err != nil {
		return nil, err
	}
	return shard.Create{Namespace: r.Namespace, Spec: shard.Spec{
		ShardCount: count, Strategy: r.StrategyId, Ownership: eventsv1.Ownership(r.Ownership),
		OwnershipTTL: time.Duration(r.OwnershipTtlMs) * time.Millisecond, EligibleRole: r.EligibleRole, CapacityHint: r.CapacityHint,
		Overlap: r.Overlap, Rules: rules, Readers: readers, LoadBound: bound,
	}}, nil
}

func updateCommand(r *controlv1.UpdateNamespaceRequest) (commands.Command, error) {
	c := shard.Update{Namespace: r.Namespace, Strategy: r.StrategyId, EligibleRole: r.EligibleRole, CapacityHint: r.CapacityHint, Overlap: r.Overlap}
	if r.ShardCount != nil {
		count, err := countOf(*r.ShardCount)
		if err != nil {
			return nil, err
		}
		c.ShardCount = &count
	}
	var err error
	if c.Rules, err = rulesOf(r.Rules); err != nil {
		return nil, err
	}
	if r.Readers != nil {
		n, err := amount("readers", *r.Readers)
		if err != nil {
			return nil, err
		}
		c.Readers = &n
	}
	if r.LoadBound != nil {
		n, err := loadBoundOf(*r.LoadBound)
		if err != nil {
			return nil, err
		}
		c.LoadBound = &n
	}
	return c, nil
}
