package linear

import (
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// recorded are events as the API shows them, made into what they were on the log.
func recorded(log []*controlv1.LogEvent) iter.Seq2[events.Recorded, error] {
	return func(yield func(events.Recorded, error) bool) {
		for _, e := range log {
			event, err := eventOf(e)
			if err != nil {
				err = fmt.Errorf("position %d: %s: %w", e.GetPosition(), e.GetType(), err)
			}
			if !yield(events.Recorded{
				Position: events.Position(e.GetPosition()), Decision: events.Position(e.GetDecisionPosition()),
				Time: e.GetTime().AsTime().UnixNano(), Event: event,
				Meta: &eventsv1.Meta{Actor: e.GetActor(), Reason: e.GetReason(), CorrelationId: e.GetCorrelationId()},
			}, err) {
				return
			}
		}
	}
}

func eventOf(e *controlv1.LogEvent) (*eventsv1.Event, error) {
	event := &eventsv1.Event{}
	m := event.ProtoReflect()
	kinds := m.Descriptor().Oneofs().ByName("kind").Fields()
	for i := range kinds.Len() {
		if fd := kinds.Get(i); string(fd.Message().Name()) == e.GetType() {
			return event, fill(m.Mutable(fd).Message(), e.GetData())
		}
	}
	return nil, fmt.Errorf("no such type of event")
}

// fill sets the fields of a message from its JSON.
func fill(m protoreflect.Message, data *structpb.Struct) error {
	for name, value := range data.GetFields() {
		fd := m.Descriptor().Fields().ByJSONName(name)
		if fd == nil {
			return fmt.Errorf("no field %s", name)
		}
		if err := fillField(m, fd, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func fillField(m protoreflect.Message, fd protoreflect.FieldDescriptor, value *structpb.Value) error {
	switch {
	case fd.IsMap():
		for k, x := range value.GetStructValue().GetFields() {
			v, err := scalar(fd.MapValue(), m.NewField(fd).Map().NewValue, x)
			if err != nil {
				return err
			}
			m.Mutable(fd).Map().Set(protoreflect.ValueOfString(k).MapKey(), v)
		}
	case fd.IsList():
		for _, x := range value.GetListValue().GetValues() {
			v, err := scalar(fd, m.NewField(fd).List().NewElement, x)
			if err != nil {
				return err
			}
			m.Mutable(fd).List().Append(v)
		}
	default:
		v, err := scalar(fd, func() protoreflect.Value { return m.NewField(fd) }, value)
		if err != nil {
			return err
		}
		m.Set(fd, v)
	}
	return nil
}

// scalar reads one value; empty makes one for a message.
func scalar(fd protoreflect.FieldDescriptor, empty func() protoreflect.Value, x *structpb.Value) (protoreflect.Value, error) {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(x.GetBoolValue()), nil
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(x.GetStringValue()), nil
	case protoreflect.BytesKind:
		b, err := hex.DecodeString(x.GetStringValue())
		return protoreflect.ValueOfBytes(b), err
	case protoreflect.EnumKind:
		n, ok := v1json.ParseEnum(fd.Enum(), x.GetStringValue())
		if !ok {
			return protoreflect.Value{}, fmt.Errorf("no word of %s: %q", fd.Enum().Name(), x.GetStringValue())
		}
		return protoreflect.ValueOfEnum(n), nil
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(x.GetNumberValue()), nil
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(x.GetNumberValue())), nil
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(x.GetNumberValue())), nil
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(x.GetNumberValue())), nil
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(x.GetNumberValue())), nil
	case protoreflect.MessageKind:
		v := empty()
		if _, ok := v.Message().Interface().(*eventsv1.ShardSet); ok {
			set, err := shardSet(x.GetStringValue())
			return protoreflect.ValueOfMessage(set.ProtoReflect()), err
		}
		return v, fill(v.Message(), x.GetStructValue())
	}
	return protoreflect.Value{}, fmt.Errorf("%s: a kind that no event has had", fd.Kind())
}

// shardSet reads what events.FormatShards writes.
func shardSet(text string) (*eventsv1.ShardSet, error) {
	var ids []uint32
	for part := range strings.SplitSeq(text, ",") {
		first, last, more := strings.Cut(strings.TrimSpace(part), "-")
		if !more {
			last = first
		}
		lo, err := strconv.ParseUint(first, 10, 32)
		if err != nil {
			return nil, err
		}
		hi, err := strconv.ParseUint(last, 10, 32)
		if err != nil {
			return nil, err
		}
		for id := lo; id <= hi; id++ {
			ids = append(ids, uint32(id))
		}
	}
	return events.PackShards(ids), nil
}
