package projectiontest

import (
	"fmt"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// quarantine takes shards out of service that nobody owns, or puts them back.
func (s *Sim) quarantine() []*eventsv1.Event {
	name, ok := s.active()
	if !ok {
		return nil
	}
	ns := s.namespaces[name]
	out := s.Draw(2) == 0
	ids := s.some(ns.ids(func(sh simShard) bool { return sh.owner == "" && !sh.paused && sh.out != out }))
	for _, id := range ids {
		ns.shards[id].out = out
		if out {
			ns.shards[id].moveTo = ""
		}
	}
	switch {
	case len(ids) == 0:
		return nil
	case out:
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsQuarantined{ShardsQuarantined: &eventsv1.ShardsQuarantined{
			Namespace: name, Shards: events.PackShards(ids), NodeId: "n1", Deaths: 2,
		}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ShardsUnquarantined{ShardsUnquarantined: &eventsv1.ShardsUnquarantined{
		Namespace: name, Shards: events.PackShards(ids),
	}}}}
}

// schedule makes a schedule, or does something with one.
func (s *Sim) schedule() []*eventsv1.Event {
	name := fmt.Sprintf("t%d", s.Draw(3))
	paused, ok := s.schedules[name]
	if !ok {
		s.schedules[name] = false
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ScheduleCreated{ScheduleCreated: &eventsv1.ScheduleCreated{
			Name: name, Timing: &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_EveryMs{EveryMs: 60_000}},
			Action: &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Cordon{Cordon: &eventsv1.ScheduledNode{NodeId: "n1"}}},
			Missed: eventsv1.ScheduleMissed_SCHEDULE_MISSED_SKIP, NextMs: 1_700_000_060_000,
			Retry: &eventsv1.ScheduleRetry{Attempts: 1, BackoffMs: 1000, BackoffMaxMs: 1000},
		}}}}
	}
	switch what := s.Draw(6); {
	case what == 0:
		delete(s.schedules, name)
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ScheduleRemoved{ScheduleRemoved: &eventsv1.ScheduleRemoved{Name: name}}}}
	case paused:
		s.schedules[name] = false
		return []*eventsv1.Event{{Kind: &eventsv1.Event_ScheduleResumed{ScheduleResumed: &eventsv1.ScheduleResumed{Name: name, NextMs: 1_700_000_060_000}}}}
	case what == 1:
		s.schedules[name] = true
		return []*eventsv1.Event{{Kind: &eventsv1.Event_SchedulePaused{SchedulePaused: &eventsv1.SchedulePaused{Name: name}}}}
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ScheduleFired{ScheduleFired: &eventsv1.ScheduleFired{
		Name: name, DueMs: 1_700_000_060_000, Attempt: uint32(1 + s.Draw(2)), Outcome: eventsv1.ScheduleOutcome(1 + s.Draw(3)),
		NextMs: int64(s.Draw(2)) * 1_700_000_120_000, Retry: s.Draw(2) == 0,
	}}}}
}
