package config

import (
	"fmt"
	"strings"
)

// Problem is one mistake in the settings.
type Problem struct {
	// Key of the setting; of an unknown one as it was written.
	Key string
	// Origin of the value: see [Effective].
	Origin string
	// Text says what is wrong, Allowed what would be right.
	Text    string
	Allowed string
	// Suggestion is the key that was probably meant, empty if none is near.
	Suggestion string
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Key)
	if p.Origin != "" {
		fmt.Fprintf(&b, " (%s)", p.Origin)
	}
	fmt.Fprintf(&b, " %s", p.Text)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %s?", p.Suggestion)
	}
	if p.Allowed != "" {
		fmt.Fprintf(&b, " (allowed: %s)", p.Allowed)
	}
	return b.String()
}

// Error holds all mistakes of one Load, at least one.
type Error struct{ Problems []*Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return "settings: " + strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a [*Problem].
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}
