package events_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// samples is one event of each type, with every field set. What is added to a
// type later goes to a further sample right behind, never into one that has a
// golden; -fill writes it to <Type>.2.json.
func samples() []proto.Message {
	node := &eventsv1.NodeDescriptor{
		NodeId: "n1", Role: "worker", ClusterId: "c1", Region: "eu-1", Zone: "eu-1a", Weight: 1.5,
		Labels: map[string]string{"disk": "ssd", "rack": "r7", "arch": "arm64"}, MeshVersion: "1.0.0", Http3Support: true,
	}
	spec := &eventsv1.NamespaceSpec{
		ShardCount: 64, StrategyId: "optimal", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE,
		OwnershipTtlMs: 5000, EligibleRole: "worker", CapacityHint: 2.25,
	}
	overlapping := proto.CloneOf(spec)
	overlapping.Overlap = true
	some := events.PackShards([]uint32{3, 4, 5, 9})
	ruled := &eventsv1.NamespaceSpec{
		ShardCount: 64, StrategyId: "ring", Ownership: eventsv1.Ownership_OWNERSHIP_LEASE,
		OwnershipTtlMs: 5000, EligibleRole: "worker", CapacityHint: 2.25, Readers: 2, LoadBoundPermille: 1250,
		Rules: &eventsv1.PlacementRules{
			Require: []*eventsv1.NodeSelector{{Key: "disk", Values: []string{"ssd", "nvme"}}},
			Pins: []*eventsv1.ShardPin{{
				Shards: some, Nodes: []string{"n1", "n2"}, Require: []*eventsv1.NodeSelector{{Key: "old", Not: true}},
			}},
			MaxPerNode: 9, CapacityLabel: "room", Spread: "zone", MaxSkew: 2, Separate: "rack",
			Prefer: []*eventsv1.PlacementPreference{{Key: "region", Value: "eu-1"}},
		},
	}
	return append([]proto.Message{
		&eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: 41, Next: 1000},
		&eventsv1.EraStarted{ClusterId: "c1", Era: 2, RestoredPosition: 41, Next: 1000, SettleMs: 7500},
		&eventsv1.LogSealed{},
		&eventsv1.LogResumed{Sealed: 55},
		&eventsv1.EraSettled{Era: 2},
		&eventsv1.LogTailHealed{ClusterId: "c1", First: 121, Last: 200, Frames: 40, Hash: []byte(strings.Repeat("\x5a", events.HashSize)), KeptBy: "s3"},
		&eventsv1.ReplicaReplaced{Server: "s3"},
		&eventsv1.PolicySet{Kind: "session", Name: "default", Version: 3, Spec: &eventsv1.PolicySet_Session{Session: &eventsv1.SessionPolicy{TtlMs: 7500}}},
		&eventsv1.PolicySet{Kind: "maintenance", Name: "disks", Version: 4, Spec: &eventsv1.PolicySet_Maintenance{Maintenance: &eventsv1.MaintenancePolicy{
			NodeIds: []string{"n1", "n2"}, Selectors: []string{"disk=ssd", "rack"}, StartMs: 1_700_000_000_000, EndMs: 1_700_003_600_000,
			Impact: eventsv1.MaintenanceImpact_MAINTENANCE_IMPACT_DRAIN, Reason: "new disks", DrainDeadlineMs: 600_000,
		}}},
		&eventsv1.PolicySet{Kind: "quarantine", Name: "default", Version: 1, Spec: &eventsv1.PolicySet_Quarantine{Quarantine: &eventsv1.QuarantinePolicy{
			Deaths: 2, WindowMs: 600_000, MaxAtOnce: 3, Disabled: true,
		}}},
		&eventsv1.PolicyRemoved{Kind: "maintenance", Name: "disks", Version: 4},
		&eventsv1.NodeJoined{Node: node},
		&eventsv1.NodeUpdated{Node: node},
		&eventsv1.NodeLeft{NodeId: "n1"},
		&eventsv1.NodeCordoned{NodeId: "n1"},
		&eventsv1.NodeCordoned{NodeId: "n1", Window: "disks"},
		&eventsv1.NodeUncordoned{NodeId: "n1"},
		&eventsv1.NodeUncordoned{NodeId: "n1", Window: "disks"},
		&eventsv1.SessionOpened{NodeId: "n1", TtlMs: 5000, SecretHash: []byte(strings.Repeat("\x5a", events.HashSize)), Incarnation: 7},
		&eventsv1.SessionClosing{NodeId: "n1", Session: 17, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_FORCED},
		&eventsv1.SessionClosed{NodeId: "n1", Session: 17, Cause: eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED},
		&eventsv1.ServerLost{NodeId: "s2", Cause: eventsv1.ServerLossCause_SERVER_LOSS_CAUSE_SILENT},
		&eventsv1.ServerReturned{NodeId: "s2"},
		&eventsv1.NodeDrainStarted{NodeId: "n1", DeadlineMs: 1_700_000_600_000, Window: "disks"},
		&eventsv1.NodeDrainCancelled{NodeId: "n1", Window: "disks"},
		&eventsv1.NodeDrained{NodeId: "n1"},
		&eventsv1.NodeDrainStalled{NodeId: "n1", More: 3, Blockers: []*eventsv1.DrainBlocker{
			{Kind: "shard", Reference: "demo/3", Reason: "paused"}, {Kind: "hold", Reference: "demo/9", Reason: "not_ended"},
		}},
		&eventsv1.CandidacyDeclared{Scope: "billing/report", NodeId: "n1", Session: 17, Priority: -3, Labels: map[string]string{"b": "2", "a": "1"}},
		&eventsv1.CandidacyWithdrawn{Scope: "billing/report", NodeId: "n1", Session: 17},
		&eventsv1.LeadershipGranted{Scope: "shard/demo/3", NodeId: "n1", Session: 17, Labels: map[string]string{"b": "2", "a": "1"}},
		&eventsv1.LeadershipResigned{Scope: "shard/demo/3", NodeId: "n1", Term: 30},
		&eventsv1.LeadershipExpired{Scope: events.GlobalScope, NodeId: "s1", Term: 2},
		&eventsv1.NamespaceCreated{Namespace: "demo", Spec: spec},
		&eventsv1.NamespaceCreated{Namespace: "demo", Spec: spec, Version: 4},
		&eventsv1.NamespaceCreated{Namespace: "demo", Spec: overlapping, Version: 4},
		&eventsv1.NamespaceCreated{Namespace: "demo", Spec: ruled, Version: 4},
		&eventsv1.NamespaceUpdated{Namespace: "demo", Spec: spec},
		&eventsv1.NamespaceUpdated{Namespace: "demo", Spec: overlapping},
		&eventsv1.NamespaceUpdated{Namespace: "demo", Spec: ruled},
		&eventsv1.NamespaceDeleting{Namespace: "demo"},
		&eventsv1.NamespaceDeleted{Namespace: "demo"},
		&eventsv1.ShardsAssigned{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT, Assignments: []*eventsv1.ShardAssignment{
			{NodeId: "n1", Session: 17, Shards: some},
			{NodeId: "n2", Session: 19, Shards: events.PackShards([]uint32{0, 63})},
		}},
		&eventsv1.ShardsReleased{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_OWNER_RELEASED, Releases: []*eventsv1.ShardAssignment{
			{NodeId: "n1", Session: 17, Shards: events.PackShards([]uint32{9})},
		}},
		&eventsv1.ShardMoveStarted{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_OPERATOR, DeadlineMs: 1_700_000_030_000, HoldMs: 600_000,
			Moves: []*eventsv1.ShardMove{{From: "n1", To: "n2", Shards: some}}},
		&eventsv1.ShardMoveStarted{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_OPERATOR, DeadlineMs: 1_700_000_030_000, HoldMs: 600_000,
			Moves: []*eventsv1.ShardMove{{From: "n1", To: "n2", Shards: some}}, Stage: eventsv1.MoveStage_MOVE_STAGE_PREPARE},
		&eventsv1.ShardMoveFailed{Namespace: "demo", Shards: some, Cause: eventsv1.ShardCause_SHARD_CAUSE_OWNER_NOT_RELEASING, HoldMs: 600_000},
		&eventsv1.ShardMoveCancelled{Namespace: "demo", Shards: some, Cause: eventsv1.ShardCause_SHARD_CAUSE_TARGET_LOST},
		&eventsv1.ShardsPaused{Namespace: "demo", Shards: some},
		&eventsv1.ShardsResumed{Namespace: "demo", Shards: some},
		&eventsv1.OwnershipExpired{NodeId: "n1", Session: 17, Namespaces: []string{"demo", "ride"}},
		&eventsv1.ShardMoveReleasing{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_OPERATOR, DeadlineMs: 1_700_000_060_000,
			Moves: []*eventsv1.ShardMove{{From: "n1", To: "n2", Shards: some}}},
		&eventsv1.ShardsHandedOver{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_OPERATOR, Handovers: []*eventsv1.ShardHandover{
			{From: "n1", FromSession: 17, To: "n2", ToSession: 19, Shards: some},
		}},
		&eventsv1.ShardsQuarantined{Namespace: "demo", Shards: some, NodeId: "n1", Deaths: 2},
		&eventsv1.ShardsUnquarantined{Namespace: "demo", Shards: some},
		&eventsv1.ReadersAssigned{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_PLACEMENT, Assignments: []*eventsv1.ShardAssignment{
			{NodeId: "n2", Session: 19, Shards: some},
		}},
		&eventsv1.ReadersReleased{Namespace: "demo", Cause: eventsv1.ShardCause_SHARD_CAUSE_BALANCE, Releases: []*eventsv1.ShardAssignment{
			{NodeId: "n2", Session: 19, Shards: some},
		}},
	}, scheduleSamples()...)
}

// scheduleSamples are those of schedules, one of each timing and action.
func scheduleSamples() []proto.Message {
	shards := &eventsv1.ScheduledShards{Namespace: "demo", Shards: events.PackShards([]uint32{3, 4, 5, 9})}
	once := &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_AtMs{AtMs: 1_700_000_030_000}}
	every := &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_EveryMs{EveryMs: 60_000}}
	nightly := &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_Cron{Cron: "30 3 * * *"}}
	created := func(t *eventsv1.ScheduleTiming, a *eventsv1.ScheduledAction) *eventsv1.ScheduleCreated {
		return &eventsv1.ScheduleCreated{
			Name: "nightly", Timing: t, Action: a, Missed: eventsv1.ScheduleMissed_SCHEDULE_MISSED_SKIP,
			Retry: &eventsv1.ScheduleRetry{Attempts: 5, BackoffMs: 10_000, BackoffMaxMs: 600_000}, NextMs: 1_700_000_030_000,
		}
	}
	return []proto.Message{
		created(once, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Cordon{Cordon: &eventsv1.ScheduledNode{NodeId: "n1"}}}),
		created(every, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Uncordon{Uncordon: &eventsv1.ScheduledNode{NodeId: "n1"}}}),
		created(nightly, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Move{Move: &eventsv1.ScheduledMove{Namespace: "demo", Shards: shards.Shards, To: "n2"}}}),
		created(once, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Pause{Pause: shards}}),
		created(once, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Resume{Resume: shards}}),
		created(once, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Unquarantine{Unquarantine: shards}}),
		created(once, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Drain{Drain: &eventsv1.ScheduledDrain{NodeId: "n1", WithinMs: 90_000}}}),
		created(once, &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_CancelDrain{CancelDrain: &eventsv1.ScheduledNode{NodeId: "n1"}}}),
		&eventsv1.ScheduleRemoved{Name: "nightly"},
		&eventsv1.ScheduleFired{
			Name: "nightly", DueMs: 1_700_000_030_000, Attempt: 2, Outcome: eventsv1.ScheduleOutcome_SCHEDULE_OUTCOME_REJECTED,
			Reason: "shard_moving", Message: "shard_moving: shard demo/3 is moving to n1", NextMs: 1_700_000_050_000, Retry: true,
		},
		&eventsv1.SchedulePaused{Name: "nightly"},
		&eventsv1.ScheduleResumed{Name: "nightly", NextMs: 1_700_000_090_000},
	}
}

// event puts a message into the oneof that it belongs to.
func event(t testing.TB, m proto.Message) *eventsv1.Event {
	t.Helper()
	e := &eventsv1.Event{}
	fields := e.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); fd.Message() == m.ProtoReflect().Descriptor() {
			e.ProtoReflect().Set(fd, protoreflect.ValueOfMessage(m.ProtoReflect()))
			return e
		}
	}
	t.Fatalf("%s is no event", m.ProtoReflect().Descriptor().Name())
	return nil
}

// typesOf names every event type of the schema.
func typesOf() []string {
	fields := (&eventsv1.Event{}).ProtoReflect().Descriptor().Fields()
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Message().Name())
	}
	return names
}

// before is the head that the frames of these tests continue.
func before() events.Head {
	h := events.Head{Era: 1, Position: 41, Time: 1_700_000_000_000_000_000}
	for i := range h.LogID {
		h.LogID[i] = byte(i)
	}
	h.Hash = events.HashOf([]byte("the frame before"))
	return h
}

// following is a frame that continues a head with these events, in one decision.
func following(h events.Head, evs ...*eventsv1.Event) *eventsv1.Frame {
	f := &eventsv1.Frame{
		LogId: h.LogID[:], Era: h.Era, First: uint64(h.Position) + 1, Time: h.Time + 1_000_000,
		Decisions: []*eventsv1.Decision{{Meta: sampleMeta(), Events: evs}},
	}
	if h.Position > 0 {
		f.PrevHash = h.Hash[:]
	}
	return f
}

func sampleMeta() *eventsv1.Meta {
	return &eventsv1.Meta{
		Actor: "user/ada", Reason: "golden", ChangeTicket: "CH-1", CorrelationId: "corr-1", CausationId: "position/40",
		Command: "sample.Command", IdempotencyKey: []byte(strings.Repeat("\x11", 16)), RequestHash: []byte(strings.Repeat("\x22", 32)),
	}
}

func stored(t testing.TB, f *eventsv1.Frame) []byte {
	t.Helper()
	b, err := events.Marshal(f)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return b
}
