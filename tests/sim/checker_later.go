package sim

import (
	"time"

	"github.com/omnirelay/omnirelay/api/member"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// later is what the checker knows of schedules and of shards that are out of
// service.
type later struct {
	// creators are who made the schedules that there are.
	creators map[string]string
	// fired are the attempts at dues of the schedules that there are.
	fired map[attempt]events.Position
	// out are the shards that are quarantined.
	out map[member.Ref]bool
}

type attempt struct {
	schedule string
	due      int64
	number   uint32
}

func newLater() later {
	return later{creators: map[string]string{}, fired: map[attempt]events.Position{}, out: map[member.Ref]bool{}}
}

// laterEvent checks that each attempt at a due happens once, not before its time
// (T7), and in the name of the schedule's creator; and that a quarantined shard has
// no owner.
func (c *checker) laterEvent(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_ScheduleCreated:
		c.creators[e.ScheduleCreated.Name] = r.Meta.Actor
	case *eventsv1.Event_ScheduleRemoved:
		delete(c.creators, e.ScheduleRemoved.Name)
		for a := range c.fired {
			if a.schedule == e.ScheduleRemoved.Name {
				delete(c.fired, a)
			}
		}
	case *eventsv1.Event_ScheduleFired:
		c.scheduleFired(r, e.ScheduleFired)
	case *eventsv1.Event_ShardsQuarantined:
		q := e.ShardsQuarantined
		c.w.did["quarantine"]++
		events.EachShard(q.Shards, func(id uint32) {
			ref := member.Ref{Namespace: q.Namespace, Shard: id}
			// What is sticky stays with a node that was started again, and is not served.
			if o, owned := c.owners[ref]; owned && !(o.silent && c.mode(ref) == eventsv1.Ownership_OWNERSHIP_STICKY) {
				c.w.fail("%v is quarantined at %d while %s owns it", ref, r.Position, o.node)
			}
			c.out[ref] = true
		})
	case *eventsv1.Event_ShardsUnquarantined:
		events.EachShard(e.ShardsUnquarantined.Shards, func(id uint32) {
			delete(c.out, member.Ref{Namespace: e.ShardsUnquarantined.Namespace, Shard: id})
		})
	case *eventsv1.Event_NamespaceCreated:
		for ref := range c.out {
			if ref.Namespace == e.NamespaceCreated.Namespace {
				delete(c.out, ref)
			}
		}
	case *eventsv1.Event_ShardsAssigned:
		for _, a := range e.ShardsAssigned.Assignments {
			events.EachShard(a.Shards, func(id uint32) {
				if ref := (member.Ref{Namespace: e.ShardsAssigned.Namespace, Shard: id}); c.out[ref] {
					c.w.fail("%v is assigned at %d and quarantined", ref, r.Position)
				}
			})
		}
	}
}

func (c *checker) scheduleFired(r events.Recorded, f *eventsv1.ScheduleFired) {
	a := attempt{f.Name, f.DueMs, f.Attempt}
	c.w.did["schedule fired"]++
	if before, twice := c.fired[a]; twice {
		c.w.fail("schedule %s fired for %d, attempt %d, at %d and at %d", f.Name, f.DueMs, f.Attempt, before, r.Position)
	}
	c.fired[a] = r.Position
	if r.Time < f.DueMs*int64(time.Millisecond) {
		c.w.fail("T7: schedule %s fired at %d, its due is %d ms", f.Name, r.Time, f.DueMs)
	}
	if r.Meta.Actor != c.creators[f.Name] || r.Meta.CausationId != "schedule/"+f.Name {
		c.w.fail("schedule %s of %s fired by %s, caused by %q", f.Name, c.creators[f.Name], r.Meta.Actor, r.Meta.CausationId)
	}
}

// schedulesAtRest: no schedule is overdue.
func (c *checker) schedulesAtRest(leader *server) {
	now := leader.clock().Wall / int64(time.Millisecond)
	for _, s := range leader.core.View().Model.Schedule.Image() {
		if !s.Paused && !s.Finished() && s.Next < now-overdue.Milliseconds() {
			c.w.fail("schedule %s is %d ms overdue at rest", s.Name, now-s.Next)
		}
	}
}

// overdue is longer than the control leader needs for a schedule that is due.
const overdue = 2 * time.Second
