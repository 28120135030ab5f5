package v1json

import "strings"

// Error says what is wrong with a JSON body, where, and what is allowed.
type Error struct {
	// Field is the path of the field at fault, for example
	// mutation.ifVersion or shardIds[2]; empty when the body as a whole is.
	Field string
	// Reason says what is wrong.
	Reason string
	// Allowed says what would have been right; may be empty.
	Allowed string
}

// Error is one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Field == "" {
		b.WriteString("body: ")
	} else {
		b.WriteString("field " + e.Field + ": ")
	}
	b.WriteString(e.Reason)
	if e.Allowed != "" {
		b.WriteString(" (allowed: " + e.Allowed + ")")
	}
	return b.String()
}
