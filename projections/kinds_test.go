package projections

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Every type of event has its number, and its cause if the schema gives it one.
func TestKindsKnowEveryEvent(t *testing.T) {
	known := kinds{}
	kind := (&eventsv1.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind")
	for i := range kind.Fields().Len() {
		field := kind.Fields().Get(i)
		e := &eventsv1.Event{}
		payload := e.ProtoReflect().Mutable(field).Message()
		want := int32(0)
		if c := field.Message().Fields().ByName("cause"); c != nil && c.Enum() != nil {
			want = 1
			payload.Set(c, protoreflect.ValueOfEnum(1))
		}
		for range 2 { // found, and remembered
			number, cause := known.of(e)
			if number != int32(field.Number()) || cause != want {
				t.Errorf("%s: number %d and cause %d, want %d and %d", field.Name(), number, cause, field.Number(), want)
			}
		}
	}
	if number, cause := known.of(&eventsv1.Event{}); number != 0 || cause != 0 {
		t.Errorf("an event without a payload has number %d and cause %d, want 0 and 0", number, cause)
	}
}
