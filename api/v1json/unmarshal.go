package v1json

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxDepth bounds the nesting of a body: a Struct may nest without an end,
// and the reader recurses.
const maxDepth = 64

// Unmarshal reads one JSON object into m, which is reset first. Any error is
// an [*Error]. null means that the field is not given.
func Unmarshal(data []byte, m proto.Message) error {
	proto.Reset(m)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	r := &reader{dec: dec}
	if err := r.message("", m.ProtoReflect(), 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return &Error{Reason: fmt.Sprintf("something follows the value, at byte %d", dec.InputOffset()), Allowed: "one JSON object"}
	}
	return nil
}

type reader struct {
	dec *json.Decoder
}

// token reads the next token; a syntax error names the byte.
func (r *reader) token(field string) (json.Token, error) {
	t, err := r.dec.Token()
	if err == nil {
		return t, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, &Error{Field: field, Reason: "the JSON ends too early", Allowed: "one JSON object"}
	}
	return nil, &Error{Field: field, Reason: fmt.Sprintf("not valid JSON at byte %d", r.dec.InputOffset()), Allowed: "one JSON object"}
}

func (r *reader) message(path string, m protoreflect.Message, depth int) error {
	t, err := r.token(path)
	if err != nil {
		return err
	}
	return r.messageFrom(path, t, m, depth)
}

// messageFrom reads a message whose first token was read already.
func (r *reader) messageFrom(path string, t json.Token, m protoreflect.Message, depth int) error {
	if depth > maxDepth {
		return &Error{Field: path, Reason: "nested too deeply", Allowed: fmt.Sprintf("%d levels", maxDepth)}
	}
	switch known := m.Interface().(type) {
	case *timestamppb.Timestamp:
		return readTime(path, t, known)
	case *structpb.Struct:
		fields, err := r.structFields(path, t, depth)
		known.Fields = fields
		return err
	}
	if t != json.Delim('{') {
		return wrongType(path, t, "an object")
	}
	seen := make(map[protoreflect.FieldNumber]bool)
	for r.dec.More() {
		name, err := r.token(path)
		if err != nil {
			return err
		}
		fd, err := findField(path, m.Descriptor(), name.(string)) // a key is always a string
		if err != nil {
			return err
		}
		at := join(path, fd.JSONName())
		if seen[fd.Number()] {
			return &Error{Field: at, Reason: "given twice", Allowed: "once"}
		}
		seen[fd.Number()] = true
		if err := r.field(at, m, fd, depth); err != nil {
			return err
		}
	}
	_, err := r.token(path)
	return err
}

func (r *reader) field(path string, m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) error {
	t, err := r.token(path)
	if err != nil || t == nil { // null
		return err
	}
	switch {
	case fd.IsMap():
		return r.mapField(path, t, fd, m.Mutable(fd).Map(), depth)
	case fd.IsList():
		return r.list(path, t, fd, m.Mutable(fd).List(), depth)
	}
	v, err := r.scalar(path, t, fd, m.NewField, depth)
	if err != nil {
		return err
	}
	if fd.ContainingOneof() != nil && !fd.HasOptionalKeyword() && m.WhichOneof(fd.ContainingOneof()) != nil {
		return &Error{Field: path, Reason: "given beside " + m.WhichOneof(fd.ContainingOneof()).JSONName(), Allowed: "one of the two"}
	}
	m.Set(fd, v)
	return nil
}

func (r *reader) list(path string, t json.Token, fd protoreflect.FieldDescriptor, list protoreflect.List, depth int) error {
	if t != json.Delim('[') {
		return wrongType(path, t, "a list")
	}
	for r.dec.More() {
		at := fmt.Sprintf("%s[%d]", path, list.Len())
		item, err := r.token(at)
		if err != nil {
			return err
		}
		v, err := r.scalar(at, item, fd, func(protoreflect.FieldDescriptor) protoreflect.Value { return list.NewElement() }, depth)
		if err != nil {
			return err
		}
		list.Append(v)
	}
	_, err := r.token(path)
	return err
}

func (r *reader) mapField(path string, t json.Token, fd protoreflect.FieldDescriptor, m protoreflect.Map, depth int) error {
	if t != json.Delim('{') {
		return wrongType(path, t, "an object")
	}
	for r.dec.More() {
		name, err := r.token(path)
		if err != nil {
			return err
		}
		at := join(path, name.(string))
		key, err := mapKey(at, fd.MapKey(), name.(string))
		if err != nil {
			return err
		}
		if m.Has(key) {
			return &Error{Field: at, Reason: "given twice", Allowed: "once"}
		}
		value, err := r.token(at)
		if err != nil {
			return err
		}
		v, err := r.scalar(at, value, fd.MapValue(), func(protoreflect.FieldDescriptor) protoreflect.Value { return m.NewValue() }, depth)
		if err != nil {
			return err
		}
		m.Set(key, v)
	}
	_, err := r.token(path)
	return err
}

func mapKey(path string, fd protoreflect.FieldDescriptor, s string) (protoreflect.MapKey, error) {
	if fd.Kind() == protoreflect.StringKind {
		return protoreflect.ValueOfString(s).MapKey(), nil
	}
	v, err := number(path, json.Number(s), fd)
	if err != nil {
		return protoreflect.MapKey{}, err
	}
	return v.MapKey(), nil
}

// scalar reads one value: of a field, of a list item or of a map entry; fresh
// makes the message when it is one.
func (r *reader) scalar(path string, t json.Token, fd protoreflect.FieldDescriptor, fresh func(protoreflect.FieldDescriptor) protoreflect.Value, depth int) (protoreflect.Value, error) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		v := fresh(fd)
		return v, r.messageFrom(path, t, v.Message(), depth+1)
	case protoreflect.BoolKind:
		b, ok := t.(bool)
		if !ok {
			return protoreflect.Value{}, wrongType(path, t, "true or false")
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.StringKind:
		s, ok := t.(string)
		if !ok {
			return protoreflect.Value{}, wrongType(path, t, "a string")
		}
		return protoreflect.ValueOfString(s), nil
	case protoreflect.BytesKind:
		s, ok := t.(string)
		raw, err := base64.StdEncoding.DecodeString(s)
		if !ok || err != nil {
			return protoreflect.Value{}, wrongType(path, t, "a string in base64")
		}
		return protoreflect.ValueOfBytes(raw), nil
	case protoreflect.EnumKind:
		return enumValue(path, t, fd.Enum())
	}
	n, ok := t.(json.Number)
	if !ok {
		return protoreflect.Value{}, wrongType(path, t, numberRange(fd))
	}
	return number(path, n, fd)
}

func enumValue(path string, t json.Token, ed protoreflect.EnumDescriptor) (protoreflect.Value, error) {
	words := strings.Join(EnumWords(ed), ", ")
	s, ok := t.(string)
	if !ok {
		return protoreflect.Value{}, wrongType(path, t, words)
	}
	n, ok := ParseEnum(ed, s)
	if !ok {
		return protoreflect.Value{}, &Error{Field: path, Reason: strconv.Quote(s) + " is unknown", Allowed: words}
	}
	return protoreflect.ValueOfEnum(n), nil
}

func number(path string, n json.Number, fd protoreflect.FieldDescriptor) (protoreflect.Value, error) {
	bad := &Error{Field: path, Reason: n.String() + " does not fit", Allowed: numberRange(fd)}
	switch fd.Kind() {
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		f, err := strconv.ParseFloat(n.String(), 64)
		if err != nil {
			return protoreflect.Value{}, bad
		}
		if fd.Kind() == protoreflect.FloatKind {
			return protoreflect.ValueOfFloat32(float32(f)), nil
		}
		return protoreflect.ValueOfFloat64(f), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		u, err := strconv.ParseUint(n.String(), 10, 32)
		if err != nil {
			return protoreflect.Value{}, bad
		}
		return protoreflect.ValueOfUint32(uint32(u)), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		u, err := strconv.ParseUint(n.String(), 10, 64)
		if err != nil {
			return protoreflect.Value{}, bad
		}
		return protoreflect.ValueOfUint64(u), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		i, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil {
			return protoreflect.Value{}, bad
		}
		return protoreflect.ValueOfInt64(i), nil
	}
	i, err := strconv.ParseInt(n.String(), 10, 32)
	if err != nil {
		return protoreflect.Value{}, bad
	}
	return protoreflect.ValueOfInt32(int32(i)), nil
}

func numberRange(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return "a number"
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return fmt.Sprintf("a whole number from 0 to %d", uint32(math.MaxUint32))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return fmt.Sprintf("a whole number from %d to %d", math.MinInt32, math.MaxInt32)
	}
	return fmt.Sprintf("a whole number from %d to %d", math.MinInt64, math.MaxInt64)
}

func readTime(path string, t json.Token, into *timestamppb.Timestamp) error {
	const allowed = "a time as RFC 3339, for example 2026-01-02T15:04:05Z"
	s, ok := t.(string)
	if !ok {
		return wrongType(path, t, allowed)
	}
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return &Error{Field: path, Reason: strconv.Quote(s) + " is no time", Allowed: allowed}
	}
	stamp := timestamppb.New(parsed)
	if stamp.CheckValid() != nil {
		return &Error{Field: path, Reason: strconv.Quote(s) + " is out of range", Allowed: "years 1 to 9999"}
	}
	into.Seconds, into.Nanos = stamp.GetSeconds(), stamp.GetNanos()
	return nil
}
