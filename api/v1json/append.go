package v1json

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Marshal returns m as JSON.
func Marshal(m proto.Message) []byte {
	return Append(make([]byte, 0, 512), m)
}

// Append appends m as JSON to dst and returns the extended buffer.
func Append(dst []byte, m proto.Message) []byte {
	return appendMessage(dst, m.ProtoReflect())
}

// AppendList appends a list as REST and the CLI answer it:
// {"items":[…],"position":N,"nextPageToken":""}.
func AppendList[M proto.Message](dst []byte, items []M, position int64, nextPageToken string) []byte {
	dst = append(dst, `{"items":[`...)
	for i, m := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = Append(dst, m)
	}
	dst = append(dst, `],"position":`...)
	dst = strconv.AppendInt(dst, position, 10)
	dst = append(dst, `,"nextPageToken":`...)
	dst = AppendString(dst, nextPageToken)
	return append(dst, '}')
}

func appendMessage(dst []byte, m protoreflect.Message) []byte {
	switch known := m.Interface().(type) {
	case *timestamppb.Timestamp:
		return appendTime(dst, known)
	case *structpb.Struct:
		return appendStruct(dst, known)
	case *structpb.Value:
		return appendValue(dst, known)
	}
	dst = append(dst, '{')
	fields := m.Descriptor().Fields()
	first := true
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !shown(m, fd) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		// JSON names are identifiers: nothing in them needs an escape.
		dst = append(dst, '"')
		dst = append(dst, fd.JSONName()...)
		dst = append(dst, '"', ':')
		dst = appendField(dst, fd, m.Get(fd))
	}
	return append(dst, '}')
}

func shown(m protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	if fd.HasPresence() {
		return m.Has(fd)
	}
	if fd.Kind() == protoreflect.EnumKind && !fd.IsList() && !fd.IsMap() {
		return m.Get(fd).Enum() != 0
	}
	return true
}

func appendField(dst []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch {
	case fd.IsMap():
		return appendMap(dst, fd, v.Map())
	case fd.IsList():
		dst = append(dst, '[')
		list := v.List()
		for i := range list.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendScalar(dst, fd, list.Get(i))
		}
		return append(dst, ']')
	}
	return appendScalar(dst, fd, v)
}

func appendMap(dst []byte, fd protoreflect.FieldDescriptor, m protoreflect.Map) []byte {
	keys := make([]string, 0, m.Len())
	values := make(map[string]protoreflect.Value, m.Len())
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		keys = append(keys, k.String())
		values[k.String()] = v
		return true
	})
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, k)
		dst = append(dst, ':')
		dst = appendScalar(dst, fd.MapValue(), values[k])
	}
	return append(dst, '}')
}

func appendScalar(dst []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, v.Bool())
	case protoreflect.StringKind:
		return AppendString(dst, v.String())
	case protoreflect.BytesKind:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Bytes())
		return append(dst, '"')
	case protoreflect.EnumKind:
		return appendEnum(dst, fd.Enum(), v.Enum())
	case protoreflect.FloatKind:
		return appendFloat(dst, v.Float(), 32)
	case protoreflect.DoubleKind:
		return appendFloat(dst, v.Float(), 64)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return appendMessage(dst, v.Message())
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(dst, v.Uint(), 10)
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

// appendEnum writes the word of a value. A number that this release has no
// name for is written as a number, so that nothing is lost.
func appendEnum(dst []byte, ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) []byte {
	value := ed.Values().ByNumber(n)
	if value == nil {
		return strconv.AppendInt(dst, int64(n), 10)
	}
	dst = append(dst, '"')
	if n != 0 {
		for _, c := range []byte(value.Name()[enumPrefix(ed):]) {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendFloat writes like encoding/json: plain digits in the common range,
// an exponent outside. JSON has no NaN or infinity; they are written as
// strings, which a reader cannot mistake for a number.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return AppendString(dst, strconv.FormatFloat(f, 'g', -1, 64))
	}
	abs := math.Abs(f)
	format := byte('f')
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

func appendTime(dst []byte, t *timestamppb.Timestamp) []byte {
	dst = append(dst, '"')
	dst = t.AsTime().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func appendStruct(dst []byte, s *structpb.Struct) []byte {
	keys := make([]string, 0, len(s.GetFields()))
	for k := range s.GetFields() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, k)
		dst = append(dst, ':')
		dst = appendValue(dst, s.GetFields()[k])
	}
	return append(dst, '}')
}

func appendValue(dst []byte, v *structpb.Value) []byte {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(dst, kind.BoolValue)
	case *structpb.Value_NumberValue:
		return appendFloat(dst, kind.NumberValue, 64)
	case *structpb.Value_StringValue:
		return AppendString(dst, kind.StringValue)
	case *structpb.Value_StructValue:
		return appendStruct(dst, kind.StructValue)
	case *structpb.Value_ListValue:
		dst = append(dst, '[')
		for i, item := range kind.ListValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, item)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}

// EnumWord is the word of an enum value in JSON, query parameters and tables:
// "alive" for PEER_STATUS_ALIVE, empty for an unspecified or unknown one.
func EnumWord(e protoreflect.Enum) string {
	value := e.Descriptor().Values().ByNumber(e.Number())
	if value == nil || e.Number() == 0 {
		return ""
	}
	return enumWord(e.Descriptor(), value)
}

// EnumWords lists the words that an enum type allows, in order of number.
func EnumWords(ed protoreflect.EnumDescriptor) []string {
	values := ed.Values()
	words := make([]string, 0, values.Len())
	for i := range values.Len() {
		if v := values.Get(i); v.Number() != 0 {
			words = append(words, enumWord(ed, v))
		}
	}
	return words
}

// ParseEnum returns the number of a word, and false for any other string.
func ParseEnum(ed protoreflect.EnumDescriptor, word string) (protoreflect.EnumNumber, bool) {
	values := ed.Values()
	for i := range values.Len() {
		if v := values.Get(i); v.Number() != 0 && enumWord(ed, v) == word {
			return v.Number(), true
		}
	}
	return 0, false
}

func enumWord(ed protoreflect.EnumDescriptor, value protoreflect.EnumValueDescriptor) string {
	return strings.ToLower(string(value.Name()[enumPrefix(ed):]))
}

// enumPrefix is the length of the type's name in front of each value's: buf's lint
// holds that every value starts with it. Value 0 is the name and UNSPECIFIED, so
// that the name need not be spelled anew; in a type whose 0 has a meaning of its
// own, the name ends where that of its values begins to differ, at an underscore.
func enumPrefix(ed protoreflect.EnumDescriptor) int {
	values := ed.Values()
	zero := string(values.ByNumber(0).Name())
	if prefix, ok := strings.CutSuffix(zero, "UNSPECIFIED"); ok {
		return len(prefix)
	}
	common := zero
	for i := range values.Len() {
		name := string(values.Get(i).Name())
		for !strings.HasPrefix(name, common) {
			common = common[:len(common)-1]
		}
	}
	return strings.LastIndexByte(common, '_') + 1
}
