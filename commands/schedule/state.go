package schedule

import (
	"github.com/tidwall/btree"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Schedule is one schedule as the log says it is.
type Schedule struct {
	Name    string          `cbor:"1,keyasint"`
	Version events.Position `cbor:"2,keyasint"`
	Timing  Timing          `cbor:"3,keyasint"`
	Action  Action          `cbor:"4,keyasint"`
	Skip    bool            `cbor:"5,keyasint,omitempty"`
	Retry   Retry           `cbor:"6,keyasint"`
	// Due is the one that is next, Next when it is tried, which is later than Due
	// after a rejection; Unix milliseconds, 0 when it is finished. Attempt is the
	// number of that attempt, from 1.
	Due     int64  `cbor:"7,keyasint,omitempty"`
	Next    int64  `cbor:"8,keyasint,omitempty"`
	Attempt uint32 `cbor:"9,keyasint,omitempty"`
	Paused  bool   `cbor:"10,keyasint,omitempty"`
	// Creator, Reason and Ticket are whom it acts for, and why.
	Creator string `cbor:"11,keyasint"`
	Reason  string `cbor:"12,keyasint,omitempty"`
	Ticket  string `cbor:"13,keyasint,omitempty"`
}

// Finished reports whether the schedule has no due any more.
func (s *Schedule) Finished() bool { return s.Due == 0 }

// State holds the schedules. The zero State has none. It has one owner.
type State struct {
	// schedules are shared between states: a change replaces one, and never writes
	// to it.
	schedules btree.Map[string, *Schedule]
}

// Clone returns an independent state that shares what neither changes.
func (s *State) Clone() *State { return &State{schedules: *s.schedules.Copy()} }

// Schedule returns a schedule by its name. It must not be written to.
func (s *State) Schedule(name string) (*Schedule, bool) { return s.schedules.Get(name) }

// Each calls fn for every schedule in the order of names, until it returns false.
func (s *State) Each(fn func(*Schedule) bool) {
	s.schedules.Scan(func(_ string, one *Schedule) bool { return fn(one) })
}

// Image is the whole state in the order of names, for snapshots.
func (s *State) Image() []Schedule {
	image := make([]Schedule, 0, s.schedules.Len())
	s.Each(func(one *Schedule) bool {
		image = append(image, *one)
		return true
	})
	return image
}

// FromImage is the state that had this image.
func FromImage(image []Schedule) *State {
	s := &State{}
	for i := range image {
		s.schedules.Set(image[i].Name, &image[i])
	}
	return s
}

// Evolve applies a recorded event; those of other contexts change nothing.
func (s *State) Evolve(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_ScheduleCreated:
		s.created(r, e.ScheduleCreated)
	case *eventsv1.Event_ScheduleRemoved:
		s.schedules.Delete(e.ScheduleRemoved.Name)
	case *eventsv1.Event_ScheduleFired:
		s.change(r, e.ScheduleFired.Name, func(one *Schedule) {
			one.Next = e.ScheduleFired.NextMs
			if e.ScheduleFired.Retry {
				one.Attempt = e.ScheduleFired.Attempt + 1
			} else {
				one.Due, one.Attempt = e.ScheduleFired.NextMs, 1
			}
		})
	case *eventsv1.Event_SchedulePaused:
		s.change(r, e.SchedulePaused.Name, func(one *Schedule) { one.Paused = true })
	case *eventsv1.Event_ScheduleResumed:
		s.change(r, e.ScheduleResumed.Name, func(one *Schedule) {
			one.Paused, one.Attempt = false, 1
			one.Due, one.Next = e.ScheduleResumed.NextMs, e.ScheduleResumed.NextMs
		})
	}
}

func (s *State) created(r events.Recorded, e *eventsv1.ScheduleCreated) {
	s.schedules.Set(e.Name, &Schedule{
		Name: e.Name, Version: r.Position, Timing: timingOf(e.Timing), Action: actionOf(e.Action),
		Skip: e.Missed == eventsv1.ScheduleMissed_SCHEDULE_MISSED_SKIP, Retry: retryOf(e.Retry),
		Due: e.NextMs, Next: e.NextMs, Attempt: 1,
		Creator: r.Meta.GetActor(), Reason: r.Meta.GetReason(), Ticket: r.Meta.GetChangeTicket(),
	})
}

// change replaces a schedule, if there is one: a fact cannot be refused.
func (s *State) change(r events.Recorded, name string, fn func(*Schedule)) {
	old, ok := s.schedules.Get(name)
	if !ok {
		return
	}
	one := *old
	fn(&one)
	one.Version = r.Position
	s.schedules.Set(name, &one)
}
