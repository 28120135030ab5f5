package registry

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
)

// changeSchedule replaces a row by what fn makes of a copy of it, nil where there
// is none.
func changeSchedule(rows *projections.Rows, rec events.Recorded, name string, fn func(*controlv1.Schedule) *controlv1.Schedule) {
	projections.Update(rows, scheduleCodec(), nameKey(name), func(old *controlv1.Schedule) *controlv1.Schedule {
		if old == nil && rec.Event.GetScheduleCreated() == nil {
			return nil
		}
		rows.Touch(counterChanged)
		s := fn(proto.CloneOf(old))
		if s != nil {
			s.Version, s.UpdatedAt = int64(rec.Position), timestamp(rec.Time)
		}
		return s
	})
}

func newSchedule(rec events.Recorded, e *eventsv1.ScheduleCreated) *controlv1.Schedule {
	s := &controlv1.Schedule{
		Name: e.Name, Timing: timingOf(e.Timing), Action: actionOf(e.Action), Missed: controlv1.MissedRuns(e.Missed),
		Retry: &controlv1.Retry{
			Attempts: int32(e.GetRetry().GetAttempts()), BackoffMs: e.GetRetry().GetBackoffMs(), BackoffMaxMs: e.GetRetry().GetBackoffMaxMs(),
		},
		CreatedBy: rec.Meta.GetActor(), Reason: rec.Meta.GetReason(), ChangeTicket: rec.Meta.GetChangeTicket(), CreatedAt: timestamp(rec.Time),
	}
	return due(s, controlv1.ScheduleStatus_SCHEDULE_STATUS_ACTIVE, e.NextMs)
}

// due sets a status and the next run, Unix milliseconds; 0 is none.
func due(s *controlv1.Schedule, status controlv1.ScheduleStatus, nextMs int64) *controlv1.Schedule {
	s.Status, s.NextRun = status, millis(nextMs)
	return s
}

func millis(ms int64) *timestamppb.Timestamp {
	if ms == 0 {
		return nil
	}
	return timestamp(ms * int64(time.Millisecond))
}

func fire(s *controlv1.Schedule, rec events.Recorded, e *eventsv1.ScheduleFired) *controlv1.Schedule {
	s.LastRun = &controlv1.ScheduleRun{
		Due: millis(e.DueMs), Attempt: int32(e.Attempt), Outcome: controlv1.ScheduleRunOutcome(e.Outcome),
		Reason: e.Reason, Message: e.Message, Time: timestamp(rec.Time), Position: int64(rec.Position),
	}
	switch {
	case e.Retry:
		return due(s, controlv1.ScheduleStatus_SCHEDULE_STATUS_RETRYING, e.NextMs)
	case e.NextMs != 0:
		return due(s, controlv1.ScheduleStatus_SCHEDULE_STATUS_ACTIVE, e.NextMs)
	}
	return due(s, controlv1.ScheduleStatus_SCHEDULE_STATUS_FINISHED, 0)
}

func timingOf(t *eventsv1.ScheduleTiming) *controlv1.Timing {
	switch k := t.GetTiming().(type) {
	case *eventsv1.ScheduleTiming_AtMs:
		return &controlv1.Timing{Timing: &controlv1.Timing_At{At: timestamp(k.AtMs * int64(time.Millisecond))}}
	case *eventsv1.ScheduleTiming_EveryMs:
		return &controlv1.Timing{Timing: &controlv1.Timing_EveryMs{EveryMs: k.EveryMs}}
	case *eventsv1.ScheduleTiming_Cron:
		return &controlv1.Timing{Timing: &controlv1.Timing_Cron{Cron: k.Cron}}
	}
	return nil
}

func actionOf(a *eventsv1.ScheduledAction) *controlv1.ScheduleAction {
	node := func(n *eventsv1.ScheduledNode) *controlv1.NodeAction {
		return &controlv1.NodeAction{NodeId: n.GetNodeId()}
	}
	switch k := a.GetAction().(type) {
	case *eventsv1.ScheduledAction_Cordon:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Cordon{Cordon: node(k.Cordon)}}
	case *eventsv1.ScheduledAction_Uncordon:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Uncordon{Uncordon: node(k.Uncordon)}}
	case *eventsv1.ScheduledAction_Drain:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Drain{Drain: &controlv1.DrainAction{
			NodeId: k.Drain.GetNodeId(), DeadlineMs: k.Drain.GetWithinMs(),
		}}}
	case *eventsv1.ScheduledAction_CancelDrain:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_CancelDrain{CancelDrain: node(k.CancelDrain)}}
	case *eventsv1.ScheduledAction_Move:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Move{Move: &controlv1.MoveAction{
			Namespace: k.Move.GetNamespace(), ShardIds: shardIDs(k.Move.GetShards()), ToNodeId: k.Move.GetTo(),
		}}}
	case *eventsv1.ScheduledAction_Pause:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Pause{Pause: shardsOf(k.Pause)}}
	case *eventsv1.ScheduledAction_Resume:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Resume{Resume: shardsOf(k.Resume)}}
	case *eventsv1.ScheduledAction_Unquarantine:
		return &controlv1.ScheduleAction{Action: &controlv1.ScheduleAction_Unquarantine{Unquarantine: shardsOf(k.Unquarantine)}}
	}
	return nil
}

func shardsOf(s *eventsv1.ScheduledShards) *controlv1.ShardsAction {
	return &controlv1.ShardsAction{Namespace: s.GetNamespace(), ShardIds: shardIDs(s.GetShards())}
}

func shardIDs(set *eventsv1.ShardSet) []string {
	var ids []string
	events.EachShard(set, func(id uint32) { ids = append(ids, strconv.FormatUint(uint64(id), 10)) })
	return ids
}

// Schedule returns a schedule as it was at a position (0 is now).
func Schedule(v *projections.View, name string, at events.Position) (*controlv1.Schedule, bool, error) {
	return get(v, SchedulesID, scheduleCodec(), nameKey(name), at)
}

// EachSchedule visits schedules by name, those after a name.
func EachSchedule(v *projections.View, after string, at events.Position, fn func(*controlv1.Schedule) bool) error {
	return each(v, SchedulesID, scheduleCodec(), from(after), at, fn)
}

// ScheduleHistory returns up to limit changes of a schedule after a position,
// oldest first, as far as a position (0 is now), and the position after which the
// next page begins, 0 at the end.
func ScheduleHistory(v *projections.View, name string, after events.Position, limit int, at events.Position) ([]*controlv1.ScheduleChange, events.Position, error) {
	if at == 0 {
		at = v.Position()
	}
	var kept []*controlv1.ScheduleChange // newest first; kv gives them so
	var bad error
	more := false
	err := v.History(SchedulesID, nameKey(name), after+1, at, func(p events.Position, row []byte, deleted bool) bool {
		if len(kept) == limit {
			kept, more = kept[1:], true
		}
		c := &controlv1.ScheduleChange{Position: int64(p)}
		if !deleted {
			c.Schedule, bad = scheduleCodec().Parse(row)
		}
		kept = append(kept, c)
		return bad == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, 0, err
	}
	slices.Reverse(kept)
	for _, c := range kept {
		if err := explain(v, c); err != nil {
			return nil, 0, err
		}
	}
	if !more {
		return kept, 0, nil
	}
	return kept, events.Position(kept[len(kept)-1].Position), nil
}

// explain says who made a change, and which.
func explain(v *projections.View, c *controlv1.ScheduleChange) error {
	d, err := v.Decision(events.Position(c.Position))
	if err != nil {
		return err
	}
	e := d.Event(events.Position(c.Position))
	c.Time, c.Event, c.Actor, c.Reason = timestamp(e.Time), e.Type, e.Actor, e.Reason
	if run := c.GetSchedule().GetLastRun(); run.GetPosition() == c.Position {
		c.Run = run
	}
	return nil
}
