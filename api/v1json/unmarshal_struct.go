package v1json

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"
)

// structFields reads the members of plain JSON, as a Struct holds it.
func (r *reader) structFields(path string, t json.Token, depth int) (map[string]*structpb.Value, error) {
	if t != json.Delim('{') {
		return nil, wrongType(path, t, "an object")
	}
	fields := make(map[string]*structpb.Value)
	for r.dec.More() {
		name, err := r.token(path)
		if err != nil {
			return nil, err
		}
		at := join(path, name.(string))
		if _, twice := fields[name.(string)]; twice {
			return nil, &Error{Field: at, Reason: "given twice", Allowed: "once"}
		}
		value, err := r.token(at)
		if err != nil {
			return nil, err
		}
		if fields[name.(string)], err = r.structValue(at, value, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := r.token(path)
	return fields, err
}

func (r *reader) structValue(path string, t json.Token, depth int) (*structpb.Value, error) {
	if depth > maxDepth {
		return nil, &Error{Field: path, Reason: "nested too deeply", Allowed: fmt.Sprintf("%d levels", maxDepth)}
	}
	switch v := t.(type) {
	case nil:
		return structpb.NewNullValue(), nil
	case bool:
		return structpb.NewBoolValue(v), nil
	case string:
		return structpb.NewStringValue(v), nil
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, &Error{Field: path, Reason: v.String() + " does not fit", Allowed: "a number"}
		}
		return structpb.NewNumberValue(f), nil
	}
	if t == json.Delim('{') {
		fields, err := r.structFields(path, t, depth)
		return structpb.NewStructValue(&structpb.Struct{Fields: fields}), err
	}
	list := &structpb.ListValue{}
	for r.dec.More() {
		at := fmt.Sprintf("%s[%d]", path, len(list.Values))
		item, err := r.token(at)
		if err != nil {
			return nil, err
		}
		value, err := r.structValue(at, item, depth+1)
		if err != nil {
			return nil, err
		}
		list.Values = append(list.Values, value)
	}
	_, err := r.token(path)
	return structpb.NewListValue(list), err
}
