package audit_test

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/projections/audit"
	"github.com/omnirelay/omnirelay/projections/projectiontest"
)

// TestEntityIsThatOfDescribe walks the event types, so that a new one without
// a case is found.
func TestEntityIsThatOfDescribe(t *testing.T) {
	fields := (&eventsv1.Event{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		e := &eventsv1.Event{}
		fill(e.ProtoReflect().Mutable(fd).Message())
		if got, want := audit.EntityOf(e), events.Describe(e).ID; got != want || got == "" {
			t.Errorf("entity of %s is %q, events.Describe says %q", fd.Message().Name(), got, want)
		}
	}
}

// fill sets the fields of a message, and those of the messages in it.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case fd.IsMap():
		case fd.IsList() && fd.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(fd).List().AppendMutable().Message())
		case fd.IsList() && fd.Kind() == protoreflect.StringKind:
			m.Mutable(fd).List().Append(protoreflect.ValueOfString("a"))
		case fd.IsList():
			m.Mutable(fd).List().Append(protoreflect.ValueOfUint32(1))
			m.Mutable(fd).List().Append(protoreflect.ValueOfUint32(1))
		case fd.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(fd).Message())
		case fd.Kind() == protoreflect.StringKind:
			m.Set(fd, protoreflect.ValueOfString(string(fd.Name())))
		}
	}
}

func TestFind(t *testing.T) {
	tables := []projections.Table{audit.Table{}}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }
		log, sim := projectiontest.NewLog(t), projectiontest.NewSim(draw, 5)
		for range 10 {
			sim.Frame(t, log)
		}
		p := projectiontest.RunTo(t, log, projectiontest.Config(vfs.NewMem(), tables...), log.Head.Position)
		defer projectiontest.Close(t, p)
		v := projectiontest.View(t, p)
		defer v.Release()
		q := audit.Query{Actor: []string{"", "user/ann", "nobody"}[draw(3)], Entity: []string{"n1", "ns0", "app/1"}[draw(3)], Correlation: []string{"", "corr-user/ann"}[draw(2)]}
		after, at := events.Position(draw(10)), events.Position(1+draw(int(log.Head.Position)))
		var want, got []events.Position
		err := projections.Events(t.Context(), log, v, 0, v.Position(), func(d *projections.DecisionInfo, r events.Recorded) error {
			if r.Decision > after && r.Decision <= at && audit.EntityOf(r.Event) == q.Entity &&
				(q.Actor == "" || q.Actor == d.Actor) && (q.Correlation == "" || q.Correlation == d.CorrelationID) {
				want = append(want, r.Decision)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.Find(v, q, after, at, func(p events.Position) bool {
			got = append(got, p)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(slices.Compact(want), got); d != "" {
			t.Fatalf("%+v in (%d, %d] (-want +got):\n%s", q, after, at, d)
		}
	})
}
