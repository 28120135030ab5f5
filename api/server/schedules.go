package server

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections/registry"
)

// ScheduleControlService: commands that are given later.

func (s *Server) registerSchedules() {
	handleUnary(s, controlv1.ScheduleControlServiceListSchedulesProcedure, s.listSchedules)
	handleUnary(s, controlv1.ScheduleControlServiceGetScheduleProcedure, s.getSchedule)
	handleUnary(s, controlv1.ScheduleControlServiceGetScheduleHistoryProcedure, s.scheduleHistory)
	handleUnary(s, controlv1.ScheduleControlServiceCreateScheduleProcedure, s.createSchedule)
	handleUnary(s, controlv1.ScheduleControlServiceDeleteScheduleProcedure, s.deleteSchedule)
	handleUnary(s, controlv1.ScheduleControlServicePauseScheduleProcedure, s.pauseSchedule)
	handleUnary(s, controlv1.ScheduleControlServiceResumeScheduleProcedure, s.resumeSchedule)
}

type scheduleRow = controlv1.Schedule

func scheduleTable() table[*scheduleRow] {
	return table[*scheduleRow]{
		each: registry.EachSchedule,
		key:  (*scheduleRow).GetName,
		fields: []ordering[*scheduleRow]{
			byText("name", (*scheduleRow).GetName), byNumber("version", (*scheduleRow).GetVersion),
			byNumber("status", (*scheduleRow).GetStatus), byTime("nextRun", (*scheduleRow).GetNextRun),
			byText("createdBy", (*scheduleRow).GetCreatedBy), byTime("createdAt", (*scheduleRow).GetCreatedAt),
			byTime("updatedAt", (*scheduleRow).GetUpdatedAt),
		},
	}
}

func (s *Server) listSchedules(ctx context.Context, q *controlv1.ListSchedulesRequest) (*controlv1.ListSchedulesResponse, error) {
	r, token, err := s.readAfter(ctx, q.Read, q.PageToken, filterHash(q))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	changed, err := registry.Changed(r.View, registry.SchedulesID)
	if err != nil {
		return nil, err
	}
	if callOf(ctx).tagged(listETag(r, changed)) {
		return nil, errNotModified
	}
	match := func(row *scheduleRow) bool {
		return strings.Contains(row.Name, q.Search) && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, row.Status))
	}
	rows, cursor, err := scheduleTable().page(r, match, q.OrderBy, pageSize(q.PageSize), token.cursor)
	if err != nil {
		return nil, err
	}
	return &controlv1.ListSchedulesResponse{Schedules: rows, NextPageToken: nextToken(r, token, cursor), Position: int64(r.position())}, nil
}

func (s *Server) getSchedule(ctx context.Context, q *controlv1.GetScheduleRequest) (*scheduleRow, error) {
	r, err := s.read(ctx, q.Read)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	if r.empty {
		return nil, notFound("schedule", q.Name)
	}
	row, ok, err := registry.Schedule(r.View, q.Name, r.at)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, notFound("schedule", q.Name)
	case callOf(ctx).tagged(versionETag(row.Version)):
		return nil, errNotModified
	}
	return row, nil
}

func (s *Server) scheduleHistory(ctx context.Context, q *controlv1.ScheduleHistoryRequest) (*controlv1.ScheduleHistoryResponse, error) {
	r, token, err := s.readAfter(ctx, q.Read, q.PageToken, filterHash(q))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	after, err := decodePosition(token.cursor)
	if err != nil {
		return nil, err
	}
	var items []*controlv1.ScheduleChange
	var next events.Position
	if !r.empty {
		items, next, err = registry.ScheduleHistory(r.View, q.Name, after, pageSize(q.PageSize), r.at)
	}
	if err != nil {
		return nil, err
	}
	if len(items) == 0 && after == 0 {
		return nil, notFound("schedule", q.Name)
	}
	answer := &controlv1.ScheduleHistoryResponse{Items: items, Position: int64(r.position())}
	if next != 0 {
		answer.NextPageToken = nextToken(r, token, next.String())
	}
	return answer, nil
}

func (s *Server) createSchedule(ctx context.Context, q *controlv1.CreateScheduleRequest) (*controlv1.CreateScheduleResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.CreateScheduleResponse{Receipt: receipt}, err
}

func (s *Server) deleteSchedule(ctx context.Context, q *controlv1.DeleteScheduleRequest) (*controlv1.DeleteScheduleResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.DeleteScheduleResponse{Receipt: receipt}, err
}

func (s *Server) pauseSchedule(ctx context.Context, q *controlv1.PauseScheduleRequest) (*controlv1.PauseScheduleResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.PauseScheduleResponse{Receipt: receipt}, err
}

func (s *Server) resumeSchedule(ctx context.Context, q *controlv1.ResumeScheduleRequest) (*controlv1.ResumeScheduleResponse, error) {
	receipt, err := s.mutate(ctx, q)
	return &controlv1.ResumeScheduleResponse{Receipt: receipt}, err
}

func createScheduleCommand(r *controlv1.CreateScheduleRequest) (commands.Command, error) {
	c := schedule.Create{Name: r.Name, Skip: r.Missed == controlv1.MissedRuns_MISSED_RUNS_SKIP}
	switch r.Missed {
	case controlv1.MissedRuns_MISSED_RUNS_UNSPECIFIED, controlv1.MissedRuns_MISSED_RUNS_SKIP, controlv1.MissedRuns_MISSED_RUNS_RUN_ONCE:
	default:
		return nil, badField("missed", "skip, run_once", "is %d", r.Missed)
	}
	var err error
	if c.Timing, err = timingOf(r.Timing); err != nil {
		return nil, err
	}
	if c.Action, err = actionOf(r.Action); err != nil {
		return nil, err
	}
	c.Retry, err = retryOf(r.Retry)
	return c, err
}

func timingOf(t *controlv1.Timing) (schedule.Timing, error) {
	switch k := t.GetTiming().(type) {
	case *controlv1.Timing_At:
		if err := k.At.CheckValid(); err != nil || k.At.AsTime().UnixMilli() <= 0 {
			return schedule.Timing{}, badField("timing.at", "a time to come, within 10 years", "is %s", k.At.AsTime().Format(time.RFC3339))
		}
		return schedule.Timing{At: k.At.AsTime().UnixMilli()}, nil
	case *controlv1.Timing_AfterMs:
		d, err := millisOf("timing.afterMs", k.AfterMs, 1)
		return schedule.Timing{After: d}, err
	case *controlv1.Timing_EveryMs:
		d, err := millisOf("timing.everyMs", k.EveryMs, schedule.MinEvery.Milliseconds())
		return schedule.Timing{Every: d}, err
	case *controlv1.Timing_Cron:
		return schedule.Timing{Cron: k.Cron}, nil
	}
	return schedule.Timing{}, badField("timing", "one of at, afterMs, everyMs, cron", "is missing")
}

// millisOf reads a number of milliseconds. It is bounded before it is multiplied;
// what fits the deciders judge.
func millisOf(field string, ms, least int64) (time.Duration, error) {
	if most := schedule.MaxAhead.Milliseconds(); ms < least || ms > most {
		return 0, badField(field, fmt.Sprintf("%d to %d", least, most), "is %d", ms)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func retryOf(r *controlv1.Retry) (out schedule.Retry, err error) {
	if r.GetAttempts() < 0 || r.GetAttempts() > math.MaxUint16 {
		return out, badField("retry.attempts", fmt.Sprintf("1 to %d, or 0 for the usual", schedule.MaxAttempts), "is %d", r.GetAttempts())
	}
	out.Attempts = uint32(r.GetAttempts())
	if out.Backoff, err = millisOf("retry.backoffMs", r.GetBackoffMs(), 0); err != nil {
		return out, err
	}
	out.MaxBackoff, err = millisOf("retry.backoffMaxMs", r.GetBackoffMaxMs(), 0)
	return out, err
}

func actionOf(a *controlv1.ScheduleAction) (schedule.Action, error) {
	switch k := a.GetAction().(type) {
	case *controlv1.ScheduleAction_Cordon:
		return schedule.Action{Verb: schedule.Cordon, NodeID: k.Cordon.GetNodeId()}, nil
	case *controlv1.ScheduleAction_Uncordon:
		return schedule.Action{Verb: schedule.Uncordon, NodeID: k.Uncordon.GetNodeId()}, nil
	case *controlv1.ScheduleAction_Drain:
		within, err := millis("action.drain.deadlineMs", k.Drain.GetDeadlineMs())
		return schedule.Action{Verb: schedule.Drain, NodeID: k.Drain.GetNodeId(), Within: within}, err
	case *controlv1.ScheduleAction_CancelDrain:
		return schedule.Action{Verb: schedule.CancelDrain, NodeID: k.CancelDrain.GetNodeId()}, nil
	case *controlv1.ScheduleAction_Move:
		ids, err := shardIDs(k.Move.GetShardIds())
		return schedule.Action{Verb: schedule.MoveShards, Namespace: k.Move.GetNamespace(), Shards: ids, NodeID: k.Move.GetToNodeId()}, err
	case *controlv1.ScheduleAction_Pause:
		return shardsAction(schedule.PauseShards, k.Pause)
	case *controlv1.ScheduleAction_Resume:
		return shardsAction(schedule.ResumeShards, k.Resume)
	case *controlv1.ScheduleAction_Unquarantine:
		return shardsAction(schedule.Unquarantine, k.Unquarantine)
	}
	return schedule.Action{}, nil // the decider says what is allowed
}

func shardsAction(verb schedule.Verb, a *controlv1.ShardsAction) (schedule.Action, error) {
	ids, err := shardIDs(a.GetShardIds())
	return schedule.Action{Verb: verb, Namespace: a.GetNamespace(), Shards: ids}, err
}
