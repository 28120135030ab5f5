package audit

import (
	"strconv"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// Apply implements [projections.Table].
func (Table) Apply(rows *projections.Rows, rec events.Recorded) {
	var scratch [64]byte
	if id := EntityOf(rec.Event); id != "" {
		rows.Cite(appendKey(scratch[:0], ByEntity, id))
	}
	if rec.Position != rec.Decision {
		return // the rest is once per decision
	}
	rows.Cite(appendKey(scratch[:0], ByActor, rec.Meta.GetActor()))
	if id := rec.Meta.GetCorrelationId(); id != "" {
		rows.Cite(appendKey(scratch[:0], ByCorrelation, id))
	}
}

// EntityOf is the id of what an event is about, as events.Describe gives it,
// without the cost of a sentence for people. A test holds the two equal.
func EntityOf(e *eventsv1.Event) string {
	for _, of := range []func(*eventsv1.Event) string{shardsOf, nodeOf, scopeOf, settingOf, scheduleOf} {
		if id := of(e); id != "" {
			return id
		}
	}
	return ""
}

func settingOf(e *eventsv1.Event) string {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_EraStarted:
		return k.EraStarted.ClusterId
	case *eventsv1.Event_EraSettled, *eventsv1.Event_LogSealed, *eventsv1.Event_LogResumed,
		*eventsv1.Event_LogTailHealed:
		return events.LogEntity
	case *eventsv1.Event_ReplicaReplaced:
		return k.ReplicaReplaced.Server
	case *eventsv1.Event_PolicySet:
		return k.PolicySet.Kind + "/" + k.PolicySet.Name
	case *eventsv1.Event_PolicyRemoved:
		return k.PolicyRemoved.Kind + "/" + k.PolicyRemoved.Name
	}
	return ""
}

func nodeOf(e *eventsv1.Event) string {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_NodeJoined:
		return k.NodeJoined.GetNode().GetNodeId()
	case *eventsv1.Event_NodeUpdated:
		return k.NodeUpdated.GetNode().GetNodeId()
	case *eventsv1.Event_NodeLeft:
		return k.NodeLeft.NodeId
	case *eventsv1.Event_NodeCordoned:
		return k.NodeCordoned.NodeId
	case *eventsv1.Event_NodeUncordoned:
		return k.NodeUncordoned.NodeId
	case *eventsv1.Event_NodeDrainStarted:
		return k.NodeDrainStarted.NodeId
	case *eventsv1.Event_NodeDrainCancelled:
		return k.NodeDrainCancelled.NodeId
	case *eventsv1.Event_NodeDrained:
		return k.NodeDrained.NodeId
	case *eventsv1.Event_NodeDrainStalled:
		return k.NodeDrainStalled.NodeId
	case *eventsv1.Event_ServerLost:
		return k.ServerLost.NodeId
	case *eventsv1.Event_ServerReturned:
		return k.ServerReturned.NodeId
	case *eventsv1.Event_SessionOpened:
		return k.SessionOpened.NodeId
	case *eventsv1.Event_SessionClosing:
		return k.SessionClosing.NodeId
	case *eventsv1.Event_SessionClosed:
		return k.SessionClosed.NodeId
	case *eventsv1.Event_OwnershipExpired:
		return k.OwnershipExpired.NodeId
	}
	return ""
}

func scheduleOf(e *eventsv1.Event) string {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_ScheduleCreated:
		return events.ScheduleEntity(k.ScheduleCreated.Name)
	case *eventsv1.Event_ScheduleRemoved:
		return events.ScheduleEntity(k.ScheduleRemoved.Name)
	case *eventsv1.Event_ScheduleFired:
		return events.ScheduleEntity(k.ScheduleFired.Name)
	case *eventsv1.Event_SchedulePaused:
		return events.ScheduleEntity(k.SchedulePaused.Name)
	case *eventsv1.Event_ScheduleResumed:
		return events.ScheduleEntity(k.ScheduleResumed.Name)
	}
	return ""
}

func scopeOf(e *eventsv1.Event) string {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_CandidacyDeclared:
		return k.CandidacyDeclared.Scope
	case *eventsv1.Event_CandidacyWithdrawn:
		return k.CandidacyWithdrawn.Scope
	case *eventsv1.Event_LeadershipGranted:
		return k.LeadershipGranted.Scope
	case *eventsv1.Event_LeadershipResigned:
		return k.LeadershipResigned.Scope
	case *eventsv1.Event_LeadershipExpired:
		return k.LeadershipExpired.Scope
	}
	return ""
}

func shardsOf(e *eventsv1.Event) string {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_NamespaceCreated:
		return k.NamespaceCreated.Namespace
	case *eventsv1.Event_NamespaceUpdated:
		return k.NamespaceUpdated.Namespace
	case *eventsv1.Event_NamespaceDeleting:
		return k.NamespaceDeleting.Namespace
	case *eventsv1.Event_NamespaceDeleted:
		return k.NamespaceDeleted.Namespace
	case *eventsv1.Event_ShardsAssigned:
		return assigned(k.ShardsAssigned.Namespace, k.ShardsAssigned.Assignments)
	case *eventsv1.Event_ShardsReleased:
		return assigned(k.ShardsReleased.Namespace, k.ShardsReleased.Releases)
	case *eventsv1.Event_ShardMoveStarted:
		return assigned(k.ShardMoveStarted.Namespace, k.ShardMoveStarted.Moves)
	case *eventsv1.Event_ShardMoveReleasing:
		return assigned(k.ShardMoveReleasing.Namespace, k.ShardMoveReleasing.Moves)
	case *eventsv1.Event_ShardsHandedOver:
		return assigned(k.ShardsHandedOver.Namespace, k.ShardsHandedOver.Handovers)
	case *eventsv1.Event_ShardMoveFailed:
		return shards(k.ShardMoveFailed.Namespace, k.ShardMoveFailed.Shards)
	case *eventsv1.Event_ShardMoveCancelled:
		return shards(k.ShardMoveCancelled.Namespace, k.ShardMoveCancelled.Shards)
	case *eventsv1.Event_ShardsPaused:
		return shards(k.ShardsPaused.Namespace, k.ShardsPaused.Shards)
	case *eventsv1.Event_ShardsResumed:
		return shards(k.ShardsResumed.Namespace, k.ShardsResumed.Shards)
	case *eventsv1.Event_ShardsQuarantined:
		return shards(k.ShardsQuarantined.Namespace, k.ShardsQuarantined.Shards)
	case *eventsv1.Event_ShardsUnquarantined:
		return shards(k.ShardsUnquarantined.Namespace, k.ShardsUnquarantined.Shards)
	case *eventsv1.Event_ReadersAssigned:
		return assigned(k.ReadersAssigned.Namespace, k.ReadersAssigned.Assignments)
	case *eventsv1.Event_ReadersReleased:
		return assigned(k.ReadersReleased.Namespace, k.ReadersReleased.Releases)
	}
	return ""
}

// assigned is shards of the sets that the parts of an event name.
func assigned[T interface{ GetShards() *eventsv1.ShardSet }](namespace string, parts []T) string {
	sets := make([]*eventsv1.ShardSet, 0, len(parts))
	for _, p := range parts {
		sets = append(sets, p.GetShards())
	}
	return shards(namespace, sets...)
}

// shards is the one shard of the sets, or the namespace when there are more.
func shards(namespace string, sets ...*eventsv1.ShardSet) string {
	total := 0
	for _, s := range sets {
		total += events.CountShards(s)
	}
	if total != 1 {
		return namespace
	}
	id := namespace
	for _, s := range sets {
		events.EachShard(s, func(n uint32) { id = namespace + "/" + strconv.FormatUint(uint64(n), 10) })
	}
	return id
}
