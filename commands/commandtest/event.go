package commandtest

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// Event puts a message, such as a NodeCordoned, into the oneof of events. A
// message that is an Event already stays as it is.
func Event(t testing.TB, m proto.Message) *eventsv1.Event {
	t.Helper()
	if e, ok := m.(*eventsv1.Event); ok {
		return e
	}
	e := &eventsv1.Event{}
	fields := e.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); fd.Message() == m.ProtoReflect().Descriptor() {
			e.ProtoReflect().Set(fd, protoreflect.ValueOfMessage(m.ProtoReflect()))
			return e
		}
	}
	t.Fatalf("%s is no event", m.ProtoReflect().Descriptor().Name())
	return nil
}
