package v1json

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// findField finds a field by its JSON name alone: one spelling per field, so
// that a body means the same to every reader of it.
func findField(path string, md protoreflect.MessageDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	if fd := md.Fields().ByJSONName(name); fd != nil && fd.JSONName() == name {
		return fd, nil
	}
	names := FieldNames(md)
	e := &Error{Field: join(path, name), Reason: "unknown field", Allowed: strings.Join(names, ", ")}
	if near := Nearest(name, names); near != "" {
		e.Reason += ", did you mean " + near + "?"
	}
	return nil, e
}

// FieldNames lists the JSON names of a message's fields.
func FieldNames(md protoreflect.MessageDescriptor) []string {
	names := make([]string, md.Fields().Len())
	for i := range names {
		names[i] = md.Fields().Get(i).JSONName()
	}
	return names
}

// Nearest returns the candidate that differs least from name, in changed,
// added and removed letters, or "" when none is near: a third of the letters,
// at least one and at most three, may differ. Case does not count.
func Nearest(name string, candidates []string) string {
	best, bound := "", min(3, max(1, len(name)/3))+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < bound {
			best, bound = c, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func wrongType(path string, t json.Token, allowed string) error {
	return &Error{Field: path, Reason: "is " + describe(t), Allowed: allowed}
}

func describe(t json.Token) string {
	switch v := t.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a string"
	case json.Number:
		return "the number " + v.String()
	case json.Delim:
		if v == '[' {
			return "a list"
		}
	}
	return "an object"
}
