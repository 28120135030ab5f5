package render

import (
	"fmt"
	"slices"
	"strings"
)

// Format is how output looks.
type Format string

// The formats of -o.
const (
	Table Format = "table"
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"
	Name  Format = "name"
)

// Formats lists the values of -o.
func Formats() []string {
	return []string{string(Table), string(Wide), string(JSON), string(YAML), string(Name)}
}

// ParseFormat reads a value of -o.
func ParseFormat(s string) (Format, error) {
	if !slices.Contains(Formats(), s) {
		return "", fmt.Errorf("-o: %q is unknown (allowed: %s)", s, strings.Join(Formats(), ", "))
	}
	return Format(s), nil
}
