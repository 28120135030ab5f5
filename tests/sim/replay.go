package sim

import (
	"iter"
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// CheckEvents checks the log of real servers, event by event, as the simulator
// checks its own: what is seen of L1, L2, L4, S1, S3 and S7 from the log alone;
// that the write model says of owners what the log says (T2); and, by log time,
// that no session expired sooner than its time to live and the grace after a
// change of the control leader. It returns what it finds first.
func CheckEvents(log iter.Seq2[events.Recorded, error]) error {
	w := &World{did: map[string]int{}}
	w.check = newChecker(w)
	next := events.Position(1)
	for r, err := range log {
		if err != nil {
			return err
		}
		if r.Position != next {
			w.fail("T1: position %d is followed by %d", next-1, r.Position)
		}
		next = r.Position + 1
		w.now = r.Time
		if opened, ok := r.Event.Kind.(*eventsv1.Event_SessionOpened); ok {
			w.cfg.TTL = time.Duration(opened.SessionOpened.TtlMs) * time.Millisecond
		}
		w.check.replica.Evolve(r)
		w.check.event(r)
		if r.Position == r.Decision {
			w.check.counts()
		}
		if w.err != nil {
			return w.err
		}
	}
	return w.err
}
