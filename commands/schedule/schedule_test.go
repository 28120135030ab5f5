package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/commandtest"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

func TestReasons(t *testing.T) { commandtest.CheckReasons(t) }

const (
	done     = eventsv1.ScheduleOutcome_SCHEDULE_OUTCOME_DONE
	rejected = eventsv1.ScheduleOutcome_SCHEDULE_OUTCOME_REJECTED
	skipped  = eventsv1.ScheduleOutcome_SCHEDULE_OUTCOME_SKIPPED
)

// mesh has the worker n1.
func mesh(t *testing.T) (*commandtest.Scenario, *model.Model) {
	m := model.New()
	return commandtest.New(t, m).Given(&eventsv1.NodeJoined{Node: &eventsv1.NodeDescriptor{NodeId: "n1", Role: "worker", Weight: 1}}), m
}

// cordon is the action of most schedules here: it is rejected the second time.
func cordon() schedule.Action { return schedule.Action{Verb: schedule.Cordon, NodeID: "n1"} }

func after(d time.Duration) int64 { return commandtest.Start().Add(d).UnixMilli() }

func fire(due time.Duration, attempt uint32) schedule.Fire {
	return schedule.Fire{Name: "x", Due: after(due), Attempt: attempt}
}

func fired(due time.Duration, attempt uint32, outcome eventsv1.ScheduleOutcome) *eventsv1.ScheduleFired {
	return &eventsv1.ScheduleFired{Name: "x", DueMs: after(due), Attempt: attempt, Outcome: outcome}
}

// TestFireOnce: an attempt before its time, a second one at the same due, and one
// by a leader that knows less are refused; the firing and the command are one
// decision.
func TestFireOnce(t *testing.T) {
	s, m := mesh(t)
	s.As("user/ada").When(schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Hour}, Action: cordon()}).Then(&eventsv1.ScheduleCreated{
		Name: "x", Timing: &eventsv1.ScheduleTiming{Timing: &eventsv1.ScheduleTiming_AtMs{AtMs: after(time.Hour)}}, NextMs: after(time.Hour),
		Action: &eventsv1.ScheduledAction{Action: &eventsv1.ScheduledAction_Cordon{Cordon: &eventsv1.ScheduledNode{NodeId: "n1"}}},
		Missed: eventsv1.ScheduleMissed_SCHEDULE_MISSED_RUN_ONCE, Retry: &eventsv1.ScheduleRetry{Attempts: 5, BackoffMs: 10_000, BackoffMaxMs: 600_000},
	})
	s.As("node/s1").After(time.Hour - 1).When(fire(time.Hour, 1)).ThenRejected("schedule_not_due")
	s.After(1).When(fire(time.Hour, 2)).ThenRejected("schedule_not_due")
	s.When(fire(2*time.Hour, 1)).ThenRejected("schedule_not_due")
	s.When(fire(time.Hour, 1)).Then(fired(time.Hour, 1, done), &eventsv1.NodeCordoned{NodeId: "n1"})
	s.When(fire(time.Hour, 1)).ThenRejected("schedule_finished")
	s.When(schedule.Fire{Name: "y"}).ThenRejected("schedule_not_found")
	if one, _ := m.Schedule.Schedule("x"); !one.Finished() || one.Creator != "user/ada" {
		t.Errorf("the schedule is %+v", one)
	}
}

// TestOnBehalf: a firing is recorded as its creator's, whoever asks.
func TestOnBehalf(t *testing.T) {
	s, m := mesh(t)
	s.As("user/ada").When(schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Hour}, Action: cordon()}).ThenDone()
	r := m.OnBehalf(commands.Request{Actor: "node/s1", Reason: "controller/scheduler", Command: fire(time.Hour, 1)})
	if r.Actor != "user/ada" || r.CausationID != "schedule/x" || r.Reason != "" {
		t.Errorf("recorded as %+v", r)
	}
	if r := m.OnBehalf(commands.Request{Actor: "node/s1", Command: schedule.Remove{Name: "x"}}); r.Actor != "node/s1" || r.CausationID != "" {
		t.Errorf("another command is recorded as %+v", r)
	}
}

// TestRetry: a rejected command is tried again after a pause that doubles, as
// often as the schedule says, and never beyond its next due.
func TestRetry(t *testing.T) {
	s, _ := mesh(t)
	s.When(membership.Cordon{NodeID: "n1"}).ThenDone() // so that the schedule's is rejected
	s.When(schedule.Create{Name: "x", Timing: schedule.Timing{Every: time.Minute}, Action: cordon(),
		Retry: schedule.Retry{Attempts: 4, Backoff: 10 * time.Second, MaxBackoff: 15 * time.Second}}).ThenDone()
	at := time.Minute
	no := func(due time.Duration, attempt uint32, next time.Duration, retry bool) *eventsv1.ScheduleFired {
		f := fired(due, attempt, rejected)
		f.Reason, f.Message = "invalid_transition", `invalid_transition: cannot cordon node "n1": it is cordoned; allowed: uncordon, drain`
		f.NextMs, f.Retry = after(next), retry
		return f
	}
	s.After(at).When(fire(at, 1)).Then(no(at, 1, at+10*time.Second, true))
	s.After(9 * time.Second).When(fire(at, 2)).ThenRejected("schedule_not_due")
	s.After(time.Second).When(fire(at, 2)).Then(no(at, 2, at+25*time.Second, true))
	s.After(15 * time.Second).When(fire(at, 3)).Then(no(at, 3, at+40*time.Second, true))
	s.After(15 * time.Second).When(fire(at, 4)).Then(no(at, 4, 2*at, false)) // the last
	s.After(20 * time.Second).When(fire(2*at, 1)).Then(no(2*at, 1, 2*at+10*time.Second, true))
	s.After(50 * time.Second).When(fire(2*at, 2)).Then(no(2*at, 2, 3*at, false)) // again would be beyond the next due
	s.When(membership.Uncordon{NodeID: "n1"}).ThenDone()
	ok := fired(3*at, 1, done)
	ok.NextMs = after(4 * at)
	s.After(10*time.Second).When(fire(3*at, 1)).Then(ok, &eventsv1.NodeCordoned{NodeId: "n1"})
}

// TestMissed: however many dues were missed, one is made up for, or none.
func TestMissed(t *testing.T) {
	for skip, want := range map[bool]eventsv1.ScheduleOutcome{false: done, true: skipped} {
		t.Run(fmt.Sprint(skip), func(t *testing.T) {
			s, _ := mesh(t)
			s.When(schedule.Create{Name: "x", Timing: schedule.Timing{Cron: "*/5 * * * *"}, Action: cordon(), Skip: skip}).ThenDone()
			due := 55 * time.Second // it is 03:04:05
			f := fired(due, 1, want)
			f.NextMs = after(due + 65*time.Minute)
			evs := []proto.Message{f}
			if !skip {
				evs = append(evs, &eventsv1.NodeCordoned{NodeId: "n1"})
			}
			s.After(due + time.Hour + time.Second).When(fire(due, 1)).Then(evs...)
		})
	}
}

// TestInTime: within the grace a schedule that skips runs.
func TestInTime(t *testing.T) {
	s, _ := mesh(t)
	s.When(schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Hour}, Action: cordon(), Skip: true}).ThenDone()
	s.After(time.Hour+schedule.Grace).When(fire(time.Hour, 1)).Then(fired(time.Hour, 1, done), &eventsv1.NodeCordoned{NodeId: "n1"})
}

func TestPause(t *testing.T) {
	s, m := mesh(t)
	s.When(schedule.Create{Name: "x", Timing: schedule.Timing{Every: time.Minute}, Action: cordon()}).ThenDone()
	s.When(schedule.Resume{Name: "x"}).ThenRejected("schedule_not_paused")
	s.When(schedule.Pause{Name: "x"}).Then(&eventsv1.SchedulePaused{Name: "x"})
	s.When(schedule.Pause{Name: "x"}).ThenRejected("schedule_paused")
	s.After(10*time.Minute + time.Second).When(fire(time.Minute, 1)).ThenRejected("schedule_paused")
	s.When(schedule.Resume{Name: "x"}).Then(&eventsv1.ScheduleResumed{Name: "x", NextMs: after(11 * time.Minute)})
	s.When(fire(time.Minute, 1)).ThenRejected("schedule_not_due")

	s.When(schedule.Create{Name: "y", Timing: schedule.Timing{At: after(time.Hour)}, Action: cordon()}).ThenDone()
	s.When(schedule.Pause{Name: "y"}).ThenDone()
	s.After(2 * time.Hour).When(schedule.Resume{Name: "y"}).Then(&eventsv1.ScheduleResumed{Name: "y", NextMs: after(time.Hour)})
	s.When(schedule.Fire{Name: "y", Due: after(time.Hour), Attempt: 1}).ThenDone()
	s.When(schedule.Pause{Name: "y"}).ThenRejected("schedule_finished")
	one, _ := m.Schedule.Schedule("x")
	s.IfVersion(uint64(one.Version) - 1).When(schedule.Pause{Name: "x"}).ThenRejected("version_mismatch")
	s.IfVersion(uint64(one.Version)).When(schedule.Remove{Name: "x"}).Then(&eventsv1.ScheduleRemoved{Name: "x"})
	s.When(schedule.Remove{Name: "x"}).ThenRejected("schedule_not_found")
}

func TestCreateRefused(t *testing.T) {
	s, _ := mesh(t)
	good := schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Hour}, Action: cordon()}
	for _, c := range []struct {
		field  string
		change func(*schedule.Create)
	}{
		{"name", func(c *schedule.Create) { c.Name = "no good" }},
		{"timing", func(c *schedule.Create) { c.Timing = schedule.Timing{} }},
		{"timing", func(c *schedule.Create) { c.Timing.Cron = "* * * * *" }},
		{"timing.afterMs", func(c *schedule.Create) { c.Timing.After = -1 }},
		{"timing.at", func(c *schedule.Create) { c.Timing = schedule.Timing{At: after(0)} }},
		{"timing.everyMs", func(c *schedule.Create) { c.Timing = schedule.Timing{Every: schedule.MinEvery - 1} }},
		{"timing.cron", func(c *schedule.Create) { c.Timing = schedule.Timing{Cron: "61 * * * *"} }},
		{"timing.cron", func(c *schedule.Create) { c.Timing = schedule.Timing{Cron: "0 0 30 2 *"} }}, // never
		{"timing.cron", func(c *schedule.Create) { c.Timing = schedule.Timing{Cron: "TZ=Asia/Tokyo 0 0 * * *"} }},
		{"timing.cron", func(c *schedule.Create) { c.Timing = schedule.Timing{Cron: "@every 1s"} }},
		{"action", func(c *schedule.Create) { c.Action = schedule.Action{} }},
		{"action.nodeId", func(c *schedule.Create) { c.Action.NodeID = "" }},
		{"action.toNodeId", func(c *schedule.Create) { c.Action = schedule.Action{Verb: schedule.MoveShards} }},
		{"action.namespace", func(c *schedule.Create) { c.Action = schedule.Action{Verb: schedule.PauseShards} }},
		{"action.shardIds", func(c *schedule.Create) { c.Action = schedule.Action{Verb: schedule.PauseShards, Namespace: "demo"} }},
		{"action.shardIds", func(c *schedule.Create) {
			c.Action = schedule.Action{Verb: schedule.ResumeShards, Namespace: "demo", Shards: []uint32{events.MaxShards}}
		}},
		{"retry.attempts", func(c *schedule.Create) { c.Retry.Attempts = schedule.MaxAttempts + 1 }},
		{"retry.backoffMs", func(c *schedule.Create) { c.Retry.Backoff = time.Millisecond }},
		{"retry.backoffMaxMs", func(c *schedule.Create) { c.Retry.MaxBackoff = time.Second }},
	} {
		bad := good
		c.change(&bad)
		s.When(bad).ThenInvalid(c.field)
	}
	many := good
	many.Action = schedule.Action{Verb: schedule.Unquarantine, Namespace: "demo", Shards: make([]uint32, events.MaxAssigned+1)}
	s.When(many).ThenRejected("too_large")
	s.When(good).ThenDone()
	s.When(good).ThenRejected("schedule_exists")
}

// TestBound: at the bound the one that finished first makes room, and a finished
// one makes room for its name.
func TestBound(t *testing.T) {
	s, m := mesh(t)
	name := func(i int) string { return fmt.Sprintf("s%04d", i) }
	for i := range schedule.MaxSchedules {
		s.Given(&eventsv1.ScheduleCreated{Name: name(i), NextMs: after(time.Hour)})
	}
	c := schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Hour}, Action: cordon()}
	s.When(c).ThenRejected("schedules_exhausted")
	s.Given(&eventsv1.ScheduleFired{Name: name(7), Outcome: skipped}, &eventsv1.ScheduleFired{Name: name(3), Outcome: skipped})
	s.When(c).ThenDone()
	_, first := m.Schedule.Schedule(name(7))
	_, second := m.Schedule.Schedule(name(3))
	if first || !second {
		t.Errorf("the one that finished first is there: %v, the other: %v", first, second)
	}
	c.Name = name(3)
	s.When(c).ThenDone()
	s.When(c).ThenRejected("schedule_exists")
}

// TestActions: each action is the command of its name.
func TestActions(t *testing.T) {
	on := func(v schedule.Verb) schedule.Action {
		return schedule.Action{Verb: v, Namespace: "demo", Shards: []uint32{2, 1, 2}, NodeID: "n1"}
	}
	for verb, want := range map[schedule.Verb]string{
		schedule.Uncordon: "invalid_transition", schedule.MoveShards: "node_not_eligible", schedule.PauseShards: "shard_paused",
		schedule.ResumeShards: "shard_not_paused", schedule.Unquarantine: "shard_not_quarantined",
		schedule.CancelDrain: "invalid_transition", schedule.Drain: "invalid_transition",
	} {
		s, m := mesh(t)
		s.Given(&eventsv1.NamespaceCreated{Namespace: "demo", Spec: &eventsv1.NamespaceSpec{ShardCount: 4, EligibleRole: "worker"}})
		if verb == schedule.PauseShards {
			s.Given(&eventsv1.ShardsPaused{Namespace: "demo", Shards: events.PackShards([]uint32{2})})
		}
		if verb == schedule.Drain {
			s.Given(&eventsv1.NodeDrainStarted{NodeId: "n1", DeadlineMs: 1}, &eventsv1.NodeDrained{NodeId: "n1"})
		}
		s.When(schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Minute}, Action: on(verb), Retry: schedule.Retry{Attempts: 1}}).ThenDone()
		evs, err := m.Decide(commands.Meta{Actor: "user/a", Time: commandtest.Start().Add(time.Minute).UnixNano()}, fire(time.Minute, 1))
		if err != nil || len(evs) != 1 || evs[0].GetScheduleFired().GetReason() != want {
			t.Errorf("%s: %v, %v; want it rejected for %s", verb, evs, err, want)
		}
	}
}

// TestDrains: the deadline of a drain counts from when it fires; what is out of
// bounds is refused at the creation, what is in bounds never when it fires.
func TestDrains(t *testing.T) {
	for within, has := range map[time.Duration]time.Duration{
		0: membership.DefaultDrainWithin, schedule.MinDrain: membership.MinDrainWithin, schedule.MaxDrain: membership.MaxDrainWithin,
	} {
		s, _ := mesh(t)
		drain := schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Minute}, Action: schedule.Action{Verb: schedule.Drain, NodeID: "n1", Within: within}}
		s.When(drain).ThenDone()
		s.After(time.Minute).When(fire(time.Minute, 1)).Then(fired(time.Minute, 1, done),
			&eventsv1.NodeDrainStarted{NodeId: "n1", DeadlineMs: after(time.Minute + has)})
		back := schedule.Create{Name: "y", Timing: schedule.Timing{At: after(2 * time.Minute)}, Action: schedule.Action{Verb: schedule.CancelDrain, NodeID: "n1"}}
		s.When(back).ThenDone()
		cancel := schedule.Fire{Name: "y", Due: after(2 * time.Minute), Attempt: 1}
		undone := fired(2*time.Minute, 1, done)
		undone.Name = "y"
		s.After(time.Minute).When(cancel).Then(undone, &eventsv1.NodeDrainCancelled{NodeId: "n1"})
	}
	for _, within := range []time.Duration{-time.Second, schedule.MinDrain - time.Millisecond, schedule.MaxDrain + time.Millisecond} {
		s, _ := mesh(t)
		s.When(schedule.Create{Name: "x", Timing: schedule.Timing{After: time.Minute},
			Action: schedule.Action{Verb: schedule.Drain, NodeID: "n1", Within: within}}).ThenRejected("invalid_field")
	}
}
