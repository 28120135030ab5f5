package schedule

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Decide decides one command of this context but Fire, which needs the outcome of
// the action: see [State.Decided].
func (s *State) Decide(meta commands.Meta, cmd commands.Command) ([]*eventsv1.Event, error) {
	switch c := cmd.(type) {
	case Create:
		return s.create(meta, c)
	case Remove:
		return s.remove(meta, c)
	case Pause:
		return s.pause(meta, c)
	case Resume:
		return s.resume(meta, c)
	}
	return nil, commands.BadField("command", "a command of schedule", "%q is none", cmd.CommandName())
}

// at is the time of a decision, in UTC: calendars are.
func at(meta commands.Meta) time.Time { return time.Unix(0, meta.Time).UTC() }

func (s *State) create(meta commands.Meta, c Create) ([]*eventsv1.Event, error) {
	if err := commands.CheckName("name", c.Name); err != nil {
		return nil, err
	}
	timing, err := c.Timing.resolve(at(meta))
	if err != nil {
		return nil, err
	}
	action, err := c.Action.check()
	if err != nil {
		return nil, err
	}
	retry, err := c.Retry.check()
	if err != nil {
		return nil, err
	}
	if old, ok := s.schedules.Get(c.Name); ok && !old.Finished() {
		return nil, commands.Refuse("schedule_exists", "schedule %q exists", c.Name)
	}
	evs, err := s.room(c.Name)
	if err != nil {
		return nil, err
	}
	missed := eventsv1.ScheduleMissed_SCHEDULE_MISSED_RUN_ONCE
	if c.Skip {
		missed = eventsv1.ScheduleMissed_SCHEDULE_MISSED_SKIP
	}
	return append(evs, &eventsv1.Event{Kind: &eventsv1.Event_ScheduleCreated{ScheduleCreated: &eventsv1.ScheduleCreated{
		Name: c.Name, Timing: timing.proto(), Action: action.proto(), Missed: missed, Retry: retry.proto(),
		NextMs: timing.first(at(meta)),
	}}}), nil
}

// room makes room for a schedule of a name: by the finished one that had the name,
// or at the bound by the one that finished first.
func (s *State) room(name string) ([]*eventsv1.Event, error) {
	if _, again := s.schedules.Get(name); again {
		return []*eventsv1.Event{removed(name)}, nil
	}
	if s.schedules.Len() < MaxSchedules {
		return nil, nil
	}
	var oldest *Schedule
	s.Each(func(one *Schedule) bool {
		if one.Finished() && (oldest == nil || one.Version < oldest.Version) {
			oldest = one
		}
		return true
	})
	if oldest == nil {
		return nil, &commands.Rejected{Kind: commands.Exhausted, Reason: "schedules_exhausted",
			Message: fmt.Sprintf("there are %d schedules, and none has finished", s.schedules.Len()),
			Allowed: fmt.Sprintf("at most %d, or to remove another", MaxSchedules)}
	}
	return []*eventsv1.Event{removed(oldest.Name)}, nil
}

func removed(name string) *eventsv1.Event {
	return &eventsv1.Event{Kind: &eventsv1.Event_ScheduleRemoved{ScheduleRemoved: &eventsv1.ScheduleRemoved{Name: name}}}
}

// check refuses an action that no command could come of, and puts its shards in
// order. What it is about need not exist yet.
func (a Action) check() (Action, error) {
	switch a.Verb {
	case Cordon, Uncordon, CancelDrain:
		return Action{Verb: a.Verb, NodeID: a.NodeID}, commands.CheckName("action.nodeId", a.NodeID)
	case Drain:
		return a.checkDrain()
	case MoveShards:
		if err := commands.CheckName("action.toNodeId", a.NodeID); err != nil {
			return a, err
		}
	case PauseShards, ResumeShards, Unquarantine:
		a.NodeID = ""
	default:
		return a, commands.BadField("action", "cordon, uncordon, drain, cancelDrain, move, pause, resume, unquarantine", "is missing")
	}
	if err := commands.CheckName("action.namespace", a.Namespace); err != nil {
		return a, err
	}
	return a, a.checkShards()
}

func (a Action) checkDrain() (Action, error) {
	a = Action{Verb: a.Verb, NodeID: a.NodeID, Within: a.Within.Truncate(time.Millisecond)}
	if a.Within != 0 && (a.Within < MinDrain || a.Within > MaxDrain) {
		return a, commands.BadField("action.deadlineMs", fmt.Sprintf("%s to %s, or 0 for the usual", MinDrain, MaxDrain), "is %s", a.Within)
	}
	return a, commands.CheckName("action.nodeId", a.NodeID)
}

func (a *Action) checkShards() error {
	if len(a.Shards) == 0 {
		return commands.BadField("action.shardIds", "one to 2000 shard ids", "is empty")
	}
	if len(a.Shards) > events.MaxAssigned {
		return &commands.Rejected{Kind: commands.Invalid, Reason: "too_large", Field: "action.shardIds",
			Message: fmt.Sprintf("%d shards in one action", len(a.Shards)), Allowed: "at most 2000"}
	}
	a.Shards = slices.Clone(a.Shards)
	slices.Sort(a.Shards)
	a.Shards = slices.Compact(a.Shards)
	if last := a.Shards[len(a.Shards)-1]; last >= events.MaxShards {
		return commands.BadField("action.shardIds", fmt.Sprintf("0 to %d", events.MaxShards-1), "has %d", last)
	}
	return nil
}

// check gives zero fields their defaults and refuses what is out of bounds.
func (r Retry) check() (Retry, error) {
	d := DefaultRetry()
	if r.Attempts == 0 {
		r.Attempts = d.Attempts
	}
	if r.Backoff == 0 {
		r.Backoff = d.Backoff
	}
	if r.MaxBackoff == 0 {
		r.MaxBackoff = max(d.MaxBackoff, r.Backoff)
	}
	r.Backoff, r.MaxBackoff = r.Backoff.Truncate(time.Millisecond), r.MaxBackoff.Truncate(time.Millisecond)
	switch {
	case r.Attempts > MaxAttempts:
		return r, commands.BadField("retry.attempts", fmt.Sprintf("1 to %d", MaxAttempts), "is %d", r.Attempts)
	case r.Backoff < MinBackoff || r.Backoff > MaxBackoff:
		return r, commands.BadField("retry.backoffMs", fmt.Sprintf("%s to %s", MinBackoff, MaxBackoff), "is %s", r.Backoff)
	case r.MaxBackoff < r.Backoff || r.MaxBackoff > MaxPause:
		return r, commands.BadField("retry.backoffMaxMs", fmt.Sprintf("%s, the first pause, to %s", r.Backoff, MaxPause), "is %s", r.MaxBackoff)
	}
	return r, nil
}

// present returns a schedule that has the version asked for.
func (s *State) present(meta commands.Meta, name string) (*Schedule, error) {
	one, ok := s.schedules.Get(name)
	if !ok {
		return nil, commands.Missing("schedule", name)
	}
	return one, commands.CheckVersion(meta, "schedule", name, uint64(one.Version))
}

func (s *State) remove(meta commands.Meta, c Remove) ([]*eventsv1.Event, error) {
	if _, err := s.present(meta, c.Name); err != nil {
		return nil, err
	}
	return []*eventsv1.Event{removed(c.Name)}, nil
}

func finished(name string) error {
	return commands.Refuse("schedule_finished", "schedule %q has no due any more", name)
}

func (s *State) pause(meta commands.Meta, c Pause) ([]*eventsv1.Event, error) {
	one, err := s.present(meta, c.Name)
	switch {
	case err != nil:
		return nil, err
	case one.Finished():
		return nil, finished(c.Name)
	case one.Paused:
		return nil, commands.Refuse("schedule_paused", "schedule %q is paused already", c.Name)
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_SchedulePaused{SchedulePaused: &eventsv1.SchedulePaused{Name: c.Name}}}}, nil
}

func (s *State) resume(meta commands.Meta, c Resume) ([]*eventsv1.Event, error) {
	one, err := s.present(meta, c.Name)
	switch {
	case err != nil:
		return nil, err
	case !one.Paused:
		return nil, commands.Refuse("schedule_not_paused", "schedule %q is not paused", c.Name)
	}
	next := one.Due
	if !one.Timing.Once() {
		next = one.Timing.next(one.Due, at(meta))
	}
	return []*eventsv1.Event{{Kind: &eventsv1.Event_ScheduleResumed{ScheduleResumed: &eventsv1.ScheduleResumed{Name: c.Name, NextMs: next}}}}, nil
}

// Firing is an attempt that is due.
type Firing struct {
	Schedule *Schedule
	// Skip: it was missed, and its command is not to be decided.
	Skip bool
}

// Due returns the attempt that a command asks for, if it is the next and log time
// has come to it.
func (s *State) Due(meta commands.Meta, c Fire) (Firing, error) {
	one, ok := s.schedules.Get(c.Name)
	switch {
	case !ok:
		return Firing{}, commands.Missing("schedule", c.Name)
	case one.Finished():
		return Firing{}, finished(c.Name)
	case one.Paused:
		return Firing{}, commands.Refuse("schedule_paused", "schedule %q is paused", c.Name)
	case c.Due != one.Due || c.Attempt != one.Attempt:
		return Firing{}, commands.Refuse("schedule_not_due", "schedule %q is at attempt %d at its due of %s", c.Name, one.Attempt, stamp(time.UnixMilli(one.Due)))
	case meta.Time < one.Next*int64(time.Millisecond):
		return Firing{}, commands.Refuse("schedule_not_due", "schedule %q is due at %s", c.Name, stamp(time.UnixMilli(one.Next)))
	}
	late := at(meta).Sub(time.UnixMilli(one.Due)) > Grace
	return Firing{Schedule: one, Skip: one.Skip && one.Attempt == 1 && late}, nil
}

// Fired is the event of an attempt whose command came to an error, or to none. An
// error that is no rejection is returned.
func (f Firing) Fired(meta commands.Meta, err error) (*eventsv1.Event, error) {
	s := f.Schedule
	e := &eventsv1.ScheduleFired{Name: s.Name, DueMs: s.Due, Attempt: s.Attempt, NextMs: s.Timing.next(s.Due, at(meta))}
	var no *commands.Rejected
	switch {
	case f.Skip:
		e.Outcome = eventsv1.ScheduleOutcome_SCHEDULE_OUTCOME_SKIPPED
	case err == nil:
		e.Outcome = eventsv1.ScheduleOutcome_SCHEDULE_OUTCOME_DONE
	case errors.As(err, &no):
		e.Outcome, e.Reason, e.Message = eventsv1.ScheduleOutcome_SCHEDULE_OUTCOME_REJECTED, no.Reason, no.Error()
		again := at(meta).Add(s.Retry.pause(s.Attempt)).UnixMilli()
		if s.Attempt < s.Retry.Attempts && (e.NextMs == 0 || again < e.NextMs) {
			e.NextMs, e.Retry = again, true
		}
	default:
		return nil, err
	}
	return &eventsv1.Event{Kind: &eventsv1.Event_ScheduleFired{ScheduleFired: e}}, nil
}

// pause is how long after an attempt the next one is made.
func (r Retry) pause(attempt uint32) time.Duration {
	doubled := float64(r.Backoff) * math.Pow(2, float64(attempt-1))
	return time.Duration(min(doubled, float64(r.MaxBackoff)))
}

// OnBehalf is a request to fire as its decision is recorded: asked for by who
// created the schedule, and why, and caused by the schedule. Others are as they
// were.
func (s *State) OnBehalf(r commands.Request) commands.Request {
	c, ok := r.Command.(Fire)
	if !ok {
		return r
	}
	if one, ok := s.schedules.Get(c.Name); ok {
		r.Actor, r.Reason, r.ChangeTicket, r.CausationID = one.Creator, one.Reason, one.Ticket, "schedule/"+c.Name
	}
	return r
}
