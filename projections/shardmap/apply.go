package shardmap

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// Apply implements [projections.Table].
func (Table) Apply(rows *projections.Rows, rec events.Recorded) {
	a := applier{rows: rows, rec: rec, now: timestamp(rec.Time)}
	switch e := rec.Event.GetKind().(type) {
	case *eventsv1.Event_NamespaceCreated:
		a.grow(e.NamespaceCreated.Namespace, e.NamespaceCreated.GetSpec())
	case *eventsv1.Event_NamespaceUpdated:
		a.grow(e.NamespaceUpdated.Namespace, e.NamespaceUpdated.GetSpec())
	case *eventsv1.Event_NamespaceDeleting:
		a.namespace(e.NamespaceDeleting.Namespace, disable)
	case *eventsv1.Event_NamespaceDeleted:
		a.namespace(e.NamespaceDeleted.Namespace, nil)
	case *eventsv1.Event_ShardsAssigned:
		expect(&a, e.ShardsAssigned.Namespace, e.ShardsAssigned.Assignments)
		for _, to := range e.ShardsAssigned.Assignments {
			a.set(e.ShardsAssigned.Namespace, to.Shards, func(r *row) { a.assign(r, to.NodeId, to.Session, e.ShardsAssigned.Cause) })
		}
	case *eventsv1.Event_ShardsReleased:
		expect(&a, e.ShardsReleased.Namespace, e.ShardsReleased.Releases)
		for _, by := range e.ShardsReleased.Releases {
			a.set(e.ShardsReleased.Namespace, by.Shards, unown)
		}
	case *eventsv1.Event_ShardMoveStarted:
		for _, m := range e.ShardMoveStarted.Moves {
			a.set(e.ShardMoveStarted.Namespace, m.Shards, func(r *row) { startMove(r, e.ShardMoveStarted, m.To) })
		}
	case *eventsv1.Event_ShardMoveReleasing:
		for _, m := range e.ShardMoveReleasing.Moves {
			a.set(e.ShardMoveReleasing.Namespace, m.Shards, func(r *row) { askRelease(r, e.ShardMoveReleasing) })
		}
	case *eventsv1.Event_ShardsHandedOver:
		expect(&a, e.ShardsHandedOver.Namespace, e.ShardsHandedOver.Handovers)
		for _, h := range e.ShardsHandedOver.Handovers {
			a.set(e.ShardsHandedOver.Namespace, h.Shards, func(r *row) { a.handOver(r, h, e.ShardsHandedOver.Cause) })
		}
	case *eventsv1.Event_ShardMoveFailed:
		hold := e.ShardMoveFailed.HoldMs
		a.set(e.ShardMoveFailed.Namespace, e.ShardMoveFailed.Shards, func(r *row) {
			endMove(r)
			r.HeldUntil = a.after(hold)
		})
	case *eventsv1.Event_ShardMoveCancelled:
		a.set(e.ShardMoveCancelled.Namespace, e.ShardMoveCancelled.Shards, endMove)
	case *eventsv1.Event_ShardsPaused:
		a.set(e.ShardsPaused.Namespace, e.ShardsPaused.Shards, func(r *row) { r.Status = controlv1.ShardStatus_SHARD_STATUS_PAUSED })
	case *eventsv1.Event_ShardsResumed:
		a.set(e.ShardsResumed.Namespace, e.ShardsResumed.Shards, func(r *row) { r.Status = controlv1.ShardStatus_SHARD_STATUS_ACTIVE })
	case *eventsv1.Event_ShardsQuarantined:
		a.set(e.ShardsQuarantined.Namespace, e.ShardsQuarantined.Shards, func(r *row) {
			disable(r)
			r.QuarantinedAt, r.Deaths = a.now, e.ShardsQuarantined.Deaths
		})
	case *eventsv1.Event_ShardsUnquarantined:
		a.set(e.ShardsUnquarantined.Namespace, e.ShardsUnquarantined.Shards, func(r *row) {
			r.Status, r.QuarantinedAt, r.Deaths = controlv1.ShardStatus_SHARD_STATUS_ACTIVE, nil, 0
		})
	case *eventsv1.Event_ReadersAssigned:
		for _, to := range e.ReadersAssigned.Assignments {
			a.set(e.ReadersAssigned.Namespace, to.Shards, func(r *row) { addReader(r, to.NodeId) })
		}
	case *eventsv1.Event_ReadersReleased:
		for _, by := range e.ReadersReleased.Releases {
			a.set(e.ReadersReleased.Namespace, by.Shards, func(r *row) { dropReader(r, by.NodeId) })
		}
	case *eventsv1.Event_SessionClosed:
		a.sessionClosed(e.SessionClosed)
	case *eventsv1.Event_OwnershipExpired:
		a.ownershipExpired(e.OwnershipExpired)
	}
}

type row = controlv1.ShardRecord

// applier is one event on its way through the rows.
type applier struct {
	rows    *projections.Rows
	rec     events.Recorded
	sealed  sealed
	key     []byte // scratch
	now     *timestamppb.Timestamp
	touched string // namespace that was touched last
}

// expect announces the rows of large sets.
func expect[T interface{ GetShards() *eventsv1.ShardSet }](a *applier, namespace string, parts []T) {
	n, first, last := 0, uint32(math.MaxUint32), uint32(0)
	for _, p := range parts {
		events.EachShard(p.GetShards(), func(id uint32) {
			n++
			first, last = min(first, id), max(last, id)
		})
	}
	if n > 1 {
		prefix := namespaceKey(namespace)
		a.rows.Expect(prefix.Uint32(first), prefix.Uint32(last), n, int(last-first)+1)
	}
}

// set changes the shards of a set; one that has no row is passed over.
func (a *applier) set(namespace string, set *eventsv1.ShardSet, fn func(*row)) {
	pk := namespaceKey(namespace)
	n := len(pk)
	events.EachShard(set, func(id uint32) {
		pk = binary.BigEndian.AppendUint32(pk[:n], id) // as Key.Uint32, in one place
		a.edit(pk, fn)
	})
}

// namespace changes all shards of a namespace; fn nil deletes them.
func (a *applier) namespace(name string, fn func(*row)) {
	for _, pk := range a.rows.Keys(namespaceKey(name)) {
		a.edit(pk, fn)
	}
}

// grow adds the shards that a spec has and the rows do not, and changes those
// whose record shows something else than the spec.
func (a *applier) grow(namespace string, spec *eventsv1.NamespaceSpec) {
	prefix := namespaceKey(namespace)
	if n := spec.GetShardCount(); n > 0 {
		a.rows.Expect(prefix.Uint32(0), prefix.Uint32(n-1), int(n), int(n))
	}
	for id := range spec.GetShardCount() {
		pk := prefix.Uint32(id)
		projections.Update(a.rows, sealedCodec{last: &a.sealed}, pk, func(old *row) *row {
			if old == nil {
				return a.changed(pk, nil, &row{
					Namespace: namespace, ShardId: strconv.FormatUint(uint64(id), 10), StrategyId: spec.GetStrategyId(),
					CapacityHint: spec.GetCapacityHint(), Status: controlv1.ShardStatus_SHARD_STATUS_ACTIVE, Overlap: spec.GetOverlap(),
					Ownership: controlv1.OwnershipMode(spec.GetOwnership()), OwnershipTtlMs: int64(spec.GetOwnershipTtlMs()),
				})
			}
			if old.StrategyId == spec.GetStrategyId() && old.CapacityHint == spec.GetCapacityHint() && old.Overlap == spec.GetOverlap() {
				return old
			}
			r := clone(old)
			r.StrategyId, r.CapacityHint, r.Overlap = spec.GetStrategyId(), spec.GetCapacityHint(), spec.GetOverlap()
			return a.changed(pk, old, r)
		})
	}
}

// edit changes one row, if there is one; fn nil deletes it.
func (a *applier) edit(pk kv.Key, fn func(*row)) {
	projections.Update(a.rows, sealedCodec{last: &a.sealed}, pk, func(old *row) *row {
		if old == nil {
			return nil
		}
		if fn == nil {
			a.count(pk, old, nil)
			return nil
		}
		r := clone(old)
		fn(r)
		return a.changed(pk, old, r)
	})
}

// changed completes a row that an event has changed, and keeps index and
// counters.
func (a *applier) changed(pk kv.Key, old, r *row) *row {
	settle(r)
	r.Version = old.GetVersion() + 1
	r.UpdatedAt = a.now
	r.ChangeTicket = a.rec.Meta.GetChangeTicket()
	r.Checksum = a.sealed.seal(r)
	a.count(pk, old, r)
	return r
}

// settle derives the status that is neither paused nor disabled.
func settle(r *row) {
	switch r.Status {
	case controlv1.ShardStatus_SHARD_STATUS_ACTIVE, controlv1.ShardStatus_SHARD_STATUS_DRAINING:
		r.Status = controlv1.ShardStatus_SHARD_STATUS_ACTIVE
		if moving(r) {
			r.Status = controlv1.ShardStatus_SHARD_STATUS_DRAINING
		}
	}
}

// moving reports whether a move from an owner is in flight.
func moving(r *row) bool { return r.OwnerNodeId != "" && r.MoveToNodeId != "" }

func disable(r *row) {
	endMove(r)
	r.ReaderNodeIds = nil
	r.Status = controlv1.ShardStatus_SHARD_STATUS_DISABLED
}

func (a *applier) assign(r *row, node string, session uint64, cause eventsv1.ShardCause) {
	if cause != eventsv1.ShardCause_SHARD_CAUSE_REBOUND { // which only binds anew
		a.place(r, node)
	}
	r.OwnerNodeId, r.LeaderId, r.SessionId = node, node, int64(session)
	r.FenceToken, r.LastOwnerNodeId, r.OwnerSilent = int64(a.rec.Position), "", false
	dropReader(r, node)
}

// place ends the move, and begins or ends a hold.
func (a *applier) place(r *row, node string) {
	switch node {
	case r.MoveToNodeId:
		r.HeldUntil = a.after(r.MoveHoldMs)
	case r.LastOwnerNodeId: // given back to who had it: the hold goes on (S9)
	default:
		r.HeldUntil = nil
	}
	endMove(r)
}

func unown(r *row) {
	r.LastOwnerNodeId, r.OwnerNodeId, r.LeaderId, r.SessionId, r.OwnerSilent = r.OwnerNodeId, "", "", 0, false
}

func startMove(r *row, e *eventsv1.ShardMoveStarted, to string) {
	r.MoveToNodeId, r.MoveHoldMs = to, e.HoldMs
	r.MoveForced = e.Cause == eventsv1.ShardCause_SHARD_CAUSE_FORCED
	r.MoveDeadline = timestamp(e.DeadlineMs * int64(time.Millisecond))
	r.MovePhase = controlv1.MovePhase_MOVE_PHASE_RELEASING
	if e.Stage == eventsv1.MoveStage_MOVE_STAGE_PREPARE {
		r.MovePhase = controlv1.MovePhase_MOVE_PHASE_PREPARING
	}
}

func askRelease(r *row, e *eventsv1.ShardMoveReleasing) {
	r.MovePhase = controlv1.MovePhase_MOVE_PHASE_RELEASING
	r.MoveDeadline = timestamp(e.DeadlineMs * int64(time.Millisecond))
}

func (a *applier) handOver(r *row, h *eventsv1.ShardHandover, cause eventsv1.ShardCause) {
	unown(r)
	a.assign(r, h.To, h.ToSession, cause)
}

func endMove(r *row) {
	r.MoveToNodeId, r.MoveDeadline, r.MoveHoldMs, r.MovePhase, r.MoveForced = "", nil, 0, 0, false
}

// after is log time plus a hold; nil without one.
func (a *applier) after(holdMs uint32) *timestamppb.Timestamp {
	if holdMs == 0 {
		return nil
	}
	return timestamp(a.rec.Time + int64(holdMs)*int64(time.Millisecond))
}

func timestamp(nanos int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(0, nanos)) }

// clone copies a row field by field: proto.Clone goes by reflection, and this is
// on the path of every event. A test holds it complete.
func clone(r *row) *row {
	return &row{
		Namespace: r.Namespace, ShardId: r.ShardId, StrategyId: r.StrategyId,
		OwnerNodeId: r.OwnerNodeId, LeaderId: r.LeaderId, CapacityHint: r.CapacityHint,
		Status: r.Status, Version: r.Version, Checksum: r.Checksum,
		UpdatedAt: r.UpdatedAt, ChangeTicket: r.ChangeTicket, FenceToken: r.FenceToken,
		SessionId: r.SessionId, LastOwnerNodeId: r.LastOwnerNodeId, MoveToNodeId: r.MoveToNodeId,
		MoveDeadline: r.MoveDeadline, HeldUntil: r.HeldUntil, MoveHoldMs: r.MoveHoldMs,
		MovePhase: r.MovePhase, Overlap: r.Overlap, ReaderNodeIds: r.ReaderNodeIds,
		OwnerSilent: r.OwnerSilent, Ownership: r.Ownership, OwnershipTtlMs: r.OwnershipTtlMs, MoveForced: r.MoveForced,
		QuarantinedAt: r.QuarantinedAt, Deaths: r.Deaths,
	}
}
