package projections

import (
	"reflect"

	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// kinds remembers the number of each Go type of a payload: it is asked for with
// every event, and reflection is slow. It belongs to one goroutine.
type kinds map[reflect.Type]int32

// of returns the number of an event's type and of its cause.
func (k kinds) of(e *eventsv1.Event) (kind, cause int32) {
	if e.GetKind() == nil {
		return 0, 0
	}
	t := reflect.TypeOf(e.GetKind())
	kind, ok := k[t]
	if !ok {
		m := e.ProtoReflect()
		kind = int32(m.WhichOneof(m.Descriptor().Oneofs().ByName("kind")).Number())
		k[t] = kind
	}
	return kind, causeOf(e)
}

// causeOf is the number of an event's cause, 0 where its type has none. A test
// holds the types complete.
func causeOf(e *eventsv1.Event) int32 {
	switch k := e.GetKind().(type) {
	case *eventsv1.Event_SessionClosing:
		return int32(k.SessionClosing.GetCause())
	case *eventsv1.Event_SessionClosed:
		return int32(k.SessionClosed.GetCause())
	case *eventsv1.Event_ServerLost:
		return int32(k.ServerLost.GetCause())
	case *eventsv1.Event_ShardsAssigned:
		return int32(k.ShardsAssigned.GetCause())
	case *eventsv1.Event_ShardsReleased:
		return int32(k.ShardsReleased.GetCause())
	case *eventsv1.Event_ShardMoveStarted:
		return int32(k.ShardMoveStarted.GetCause())
	case *eventsv1.Event_ShardMoveReleasing:
		return int32(k.ShardMoveReleasing.GetCause())
	case *eventsv1.Event_ShardsHandedOver:
		return int32(k.ShardsHandedOver.GetCause())
	case *eventsv1.Event_ShardMoveFailed:
		return int32(k.ShardMoveFailed.GetCause())
	case *eventsv1.Event_ShardMoveCancelled:
		return int32(k.ShardMoveCancelled.GetCause())
	case *eventsv1.Event_ReadersAssigned:
		return int32(k.ReadersAssigned.GetCause())
	case *eventsv1.Event_ReadersReleased:
		return int32(k.ReadersReleased.GetCause())
	}
	return 0
}
