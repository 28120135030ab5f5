package server

import (
	"encoding/hex"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// logEvent is an event as the API shows it.
func logEvent(rec events.Recorded) *controlv1.LogEvent {
	d := events.Describe(rec.Event)
	return &controlv1.LogEvent{
		Position: int64(rec.Position), DecisionPosition: int64(rec.Decision), Time: timestamppb.New(time.Unix(0, rec.Time)),
		Type: events.TypeOf(rec.Event), Context: d.Context, Id: d.ID, Summary: d.Summary,
		Actor: rec.Meta.GetActor(), Reason: rec.Meta.GetReason(), ChangeTicket: rec.Meta.GetChangeTicket(),
		CorrelationId: rec.Meta.GetCorrelationId(), CausationId: rec.Meta.GetCausationId(), Data: eventData(rec.Event),
	}
}

// eventData is the event's own message as JSON, without what is zero; empty for
// an event of a newer release.
func eventData(e *eventsv1.Event) *structpb.Struct {
	m := e.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))
	if fd == nil {
		return &structpb.Struct{}
	}
	return dataOf(m.Get(fd).Message())
}

func dataOf(m protoreflect.Message) *structpb.Struct {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		out.Fields[fd.JSONName()] = dataOfField(fd, v)
		return true
	})
	return out
}

func dataOfField(fd protoreflect.FieldDescriptor, v protoreflect.Value) *structpb.Value {
	switch {
	case fd.IsMap():
		out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			out.Fields[k.String()] = dataOfScalar(fd.MapValue(), v)
			return true
		})
		return structpb.NewStructValue(out)
	case fd.IsList():
		out := &structpb.ListValue{}
		for i := range v.List().Len() {
			out.Values = append(out.Values, dataOfScalar(fd, v.List().Get(i)))
		}
		return structpb.NewListValue(out)
	}
	return dataOfScalar(fd, v)
}

// word is an enum value with its type, for v1json.
type word struct {
	protoreflect.Enum
	desc   protoreflect.EnumDescriptor
	number protoreflect.EnumNumber
}

func (w word) Descriptor() protoreflect.EnumDescriptor { return w.desc }
func (w word) Number() protoreflect.EnumNumber         { return w.number }

// dataOfScalar renders one value. Positions stay exact in a double up to 2^53,
// which no log reaches. A set of shards is written as people write it, "0-63":
// its packed form would tell nobody anything.
func dataOfScalar(fd protoreflect.FieldDescriptor, v protoreflect.Value) *structpb.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return structpb.NewBoolValue(v.Bool())
	case protoreflect.StringKind:
		return structpb.NewStringValue(v.String())
	case protoreflect.BytesKind:
		return structpb.NewStringValue(hex.EncodeToString(v.Bytes()))
	case protoreflect.EnumKind:
		return structpb.NewStringValue(v1json.EnumWord(word{desc: fd.Enum(), number: v.Enum()}))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return structpb.NewNumberValue(v.Float())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if set, ok := v.Message().Interface().(*eventsv1.ShardSet); ok {
			return structpb.NewStringValue(events.FormatShards(set))
		}
		return structpb.NewStructValue(dataOf(v.Message()))
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return structpb.NewNumberValue(float64(v.Uint()))
	}
	return structpb.NewNumberValue(float64(v.Int()))
}
