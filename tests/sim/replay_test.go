package sim

import (
	"iter"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// eventsOf are the events of a simulated log.
func eventsOf(t *testing.T, w *World) []events.Recorded {
	t.Helper()
	var all []events.Recorded
	var head events.Head
	for _, m := range w.log.Messages(1, 1_000_000) {
		frame, next, err := head.Next(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		head = next
		_ = events.Each(frame, func(r events.Recorded) error { all = append(all, r); return nil })
	}
	return all
}

func each(all []events.Recorded) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// TestCheckEvents: the checker of real logs finds nothing in simulated ones, and
// what is wrong in those that were changed.
func TestCheckEvents(t *testing.T) {
	s := settled(t, 1, 3, 4, 12)
	s.check.leader().kill()
	s.rests(failoverBound)
	s.cutOff(s.members[0])
	s.passes(3 * ttl)
	all := eventsOf(t, s.World)
	find := func(is func(*eventsv1.Event) bool) int {
		i := slices.IndexFunc(all, func(r events.Recorded) bool { return is(r.Event) })
		if i < 0 {
			t.Fatal("the log has no such event")
		}
		return i
	}
	ended := find(func(e *eventsv1.Event) bool { return e.GetLeadershipExpired().GetScope() == events.GlobalScope })
	expired := find(func(e *eventsv1.Event) bool { return e.GetSessionClosed() != nil })
	for name, c := range map[string]struct {
		change func([]events.Recorded) []events.Recorded
		want   string
	}{
		"as it is":         {func(all []events.Recorded) []events.Recorded { return all }, ""},
		"an event is gone": {func(all []events.Recorded) []events.Recorded { return slices.Delete(all, ended, ended+1) }, "T1"},
		"two control leaders": {func(all []events.Recorded) []events.Recorded {
			all[ended].Event = &eventsv1.Event{Kind: &eventsv1.Event_NodeCordoned{NodeCordoned: &eventsv1.NodeCordoned{NodeId: "n1"}}}
			return all
		}, "L1"},
		"another session is closed": {func(all []events.Recorded) []events.Recorded {
			e := proto.CloneOf(all[expired].Event)
			e.GetSessionClosed().Session++
			all[expired].Event = e
			return all
		}, "closed, the live one is"},
		"a session expires at once": {func(all []events.Recorded) []events.Recorded {
			for i := ended; i < len(all); i++ {
				all[i].Time = all[ended].Time
			}
			return all
		}, "expired"},
	} {
		err := CheckEvents(each(c.change(slices.Clone(all))))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
