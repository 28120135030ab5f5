package model_test

import (
	"fmt"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// deaths is what the witness knows of owners that die: maps of single shards,
// beside its rows.
type deaths struct {
	rule *eventsv1.QuarantinePolicy
	ttl  int64 // of sessions by their policy, nanoseconds
	// since is when the present owner was given a shard, in a row the deaths of its
	// owners, and out the shards that are quarantined.
	since, inRow map[string]int64
	out          map[string]bool
	// owed are the shards that the rest of the decision must quarantine.
	owed map[string]int64
}

func newDeaths() deaths {
	return deaths{rule: &eventsv1.QuarantinePolicy{Deaths: 2, WindowMs: 600_000, MaxAtOnce: 3}, ttl: int64(5 * time.Second),
		since: map[string]int64{}, inRow: map[string]int64{}, out: map[string]bool{}, owed: map[string]int64{}}
}

// survived: longer than the window.
func (d *deaths) survived(key string, now int64) bool {
	since, had := d.since[key]
	return had && now-since > int64(d.rule.WindowMs)*int64(time.Millisecond)
}

// each calls fn with the keys of a set.
func (d *deaths) each(name string, set *eventsv1.ShardSet, fn func(key string)) {
	for _, id := range events.UnpackShards(set) {
		fn(fmt.Sprintf("%s/%d", name, id))
	}
}

// seeDeaths is asked before the rows change.
func (w *witness) seeDeaths(r events.Recorded) {
	d := &w.deaths
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_PolicySet:
		if q := e.PolicySet.GetQuarantine(); q != nil {
			d.rule = q
		}
		if s := e.PolicySet.GetSession(); s != nil {
			d.ttl = int64(s.TtlMs) * int64(time.Millisecond)
		}
	case *eventsv1.Event_NamespaceCreated:
		for id := range e.NamespaceCreated.Spec.ShardCount {
			key := fmt.Sprintf("%s/%d", e.NamespaceCreated.Namespace, id)
			delete(d.inRow, key)
			delete(d.out, key)
		}
	case *eventsv1.Event_ShardsAssigned:
		for _, a := range e.ShardsAssigned.Assignments {
			d.each(e.ShardsAssigned.Namespace, a.Shards, func(key string) {
				w.must(!d.out[key], r, "%s is quarantined", key)
				if _, had := d.since[key]; !had || e.ShardsAssigned.Cause != eventsv1.ShardCause_SHARD_CAUSE_REBOUND {
					d.since[key] = r.Time
				}
			})
		}
	case *eventsv1.Event_ShardsHandedOver:
		for _, h := range e.ShardsHandedOver.Handovers {
			d.each(e.ShardsHandedOver.Namespace, h.Shards, func(key string) {
				w.must(!d.out[key], r, "%s is quarantined", key)
				d.let(key, r.Time)
				d.since[key] = r.Time
			})
		}
	case *eventsv1.Event_OwnershipExpired:
		for _, name := range e.OwnershipExpired.Namespaces {
			for id, sh := range w.namespaces[name].shards {
				if sh.Owner == e.OwnershipExpired.NodeId && sh.Session == events.Position(e.OwnershipExpired.Session) {
					d.let(fmt.Sprintf("%s/%d", name, id), r.Time)
				}
			}
		}
	case *eventsv1.Event_ReadersAssigned:
		for _, a := range e.ReadersAssigned.Assignments {
			d.each(e.ReadersAssigned.Namespace, a.Shards, func(key string) { w.must(!d.out[key], r, "%s is quarantined", key) })
		}
	case *eventsv1.Event_ShardMoveStarted:
		for _, m := range e.ShardMoveStarted.Moves {
			d.each(e.ShardMoveStarted.Namespace, m.Shards, func(key string) { w.must(!d.out[key], r, "%s is quarantined", key) })
		}
	case *eventsv1.Event_ShardsReleased:
		for _, a := range e.ShardsReleased.Releases {
			d.each(e.ShardsReleased.Namespace, a.Shards, func(key string) { d.let(key, r.Time) })
		}
	case *eventsv1.Event_ShardsQuarantined:
		q := e.ShardsQuarantined
		d.each(q.Namespace, q.Shards, func(key string) {
			w.must(d.owed[key] == int64(q.Deaths), r, "%s has %d deaths, owed are %v", key, q.Deaths, d.owed)
			delete(d.owed, key)
			d.out[key] = true
		})
	case *eventsv1.Event_ShardsUnquarantined:
		d.each(e.ShardsUnquarantined.Namespace, e.ShardsUnquarantined.Shards, func(key string) {
			w.must(d.out[key], r, "%s is not quarantined", key)
			delete(d.out, key)
			d.inRow[key] = 0
		})
	case *eventsv1.Event_SessionClosed:
		w.seeDeath(r, e.SessionClosed)
	}
	w.must(r.Position != r.Decision || len(d.owed) == 0, r, "%v should be quarantined by now", d.owed)
}

func (w *witness) seeDeath(r events.Recorded, e *eventsv1.SessionClosed) {
	d := &w.deaths
	restarted := e.Cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_RESTARTED
	expired := e.Cause == eventsv1.SessionCloseCause_SESSION_CLOSE_CAUSE_EXPIRED
	for name, ns := range w.namespaces {
		for id, sh := range ns.shards {
			key := fmt.Sprintf("%s/%d", name, id)
			switch {
			case sh.Session != events.Position(e.Session), !restarted && !ns.endsWith(&sh, e.Cause):
				continue
			case !restarted && !expired:
				d.let(key, r.Time)
				continue
			case d.survived(key, r.Time):
				d.let(key, r.Time)
				continue
			case expired && r.Time-d.since[key] < d.ttl/2:
				delete(d.since, key)
				continue
			}
			delete(d.since, key)
			d.inRow[key]++
			if !d.rule.Disabled && d.inRow[key] >= int64(d.rule.Deaths) && !sh.Paused && !ns.deleting {
				d.owed[key] = d.inRow[key]
			}
		}
	}
	if len(d.owed) > int(d.rule.MaxAtOnce) {
		d.owed = map[string]int64{}
	}
}

// let ends the time of an owner, which may have survived the shard.
func (d *deaths) let(key string, now int64) {
	if d.survived(key, now) {
		d.inRow[key] = 0
	}
	delete(d.since, key)
}

// dues is what the witness knows of a schedule.
type dues struct {
	creator  string
	due      int64
	attempts uint32
	paused   bool
}

// seeSchedules: each attempt at a due is on the log once, not before its time, in
// the name of the creator, and dues only rise.
func (w *witness) seeSchedules(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_ScheduleCreated:
		w.must(w.schedules[e.ScheduleCreated.Name] == nil, r, "exists")
		w.must(e.ScheduleCreated.NextMs > r.Time/1e6, r, "is due at %d, created at %d", e.ScheduleCreated.NextMs, r.Time)
		w.schedules[e.ScheduleCreated.Name] = &dues{creator: r.Meta.Actor, due: e.ScheduleCreated.NextMs}
	case *eventsv1.Event_ScheduleRemoved:
		delete(w.schedules, e.ScheduleRemoved.Name)
	case *eventsv1.Event_SchedulePaused:
		w.schedules[e.SchedulePaused.Name].paused = true
	case *eventsv1.Event_ScheduleResumed:
		s := w.schedules[e.ScheduleResumed.Name]
		w.must(s.paused && e.ScheduleResumed.NextMs >= s.due, r, "resumed at %d after %+v", e.ScheduleResumed.NextMs, *s)
		s.paused, s.due, s.attempts = false, e.ScheduleResumed.NextMs, 0
	case *eventsv1.Event_ScheduleFired:
		f := e.ScheduleFired
		s := w.schedules[f.Name]
		w.must(s != nil && !s.paused && s.creator == r.Meta.Actor, r, "by %s of %+v", r.Meta.Actor, s)
		w.must(f.DueMs == s.due && f.Attempt == s.attempts+1 && f.DueMs <= r.Time/1e6, r, "%v at %d, known is %+v", f, r.Time, *s)
		w.must(f.NextMs == 0 || f.NextMs > r.Time/1e6, r, "next is %d, now is %d", f.NextMs, r.Time)
		s.attempts++
		if !f.Retry {
			s.due, s.attempts = f.NextMs, 0
		}
	}
}
