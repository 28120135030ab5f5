package placement

import (
	"fmt"
	"slices"
	"strings"
)

// Keys that name what every node has; any other key is a label.
const (
	KeyNode   = "node" // the node's id
	KeyRegion = "region"
	KeyZone   = "zone"
)

// Value returns the node's value of a key, "" where it has none. A label whose
// name is one of the keys above is not seen.
func (n *Node) Value(key string) string {
	switch key {
	case KeyNode:
		return n.ID
	case KeyRegion:
		return n.Region
	case KeyZone:
		return n.Zone
	}
	return n.Labels[key]
}

// Selector is one demand on a node: that its value of Key is among Values, or
// with Not that it is none of them. Without Values it asks only whether the node
// has a value.
type Selector struct {
	Key    string   `cbor:"1,keyasint"`
	Not    bool     `cbor:"2,keyasint,omitempty"`
	Values []string `cbor:"3,keyasint,omitempty"`
}

// Matches reports whether the node satisfies the selector. A node without a
// value satisfies those with Not.
func (s Selector) Matches(n *Node) bool {
	v := n.Value(s.Key)
	has := v != "" && (len(s.Values) == 0 || slices.Contains(s.Values, v))
	return has != s.Not
}

// String is the form in which people write selectors: "disk=ssd|nvme", "disk!=hdd",
// "disk", "!disk".
func (s Selector) String() string {
	values := strings.Join(s.Values, "|")
	switch {
	case len(s.Values) == 0 && s.Not:
		return "!" + s.Key
	case len(s.Values) == 0:
		return s.Key
	case s.Not:
		return s.Key + "!=" + values
	}
	return s.Key + "=" + values
}

// ParseSelector reads what String writes.
func ParseSelector(text string) (Selector, error) {
	key, values, valued := strings.Cut(text, "=")
	s := Selector{Key: key}
	switch {
	case valued:
		s.Key, s.Not = strings.CutSuffix(key, "!")
		s.Values = strings.Split(values, "|")
	default:
		s.Key, s.Not = strings.CutPrefix(key, "!")
	}
	if s.Key == "" || slices.Contains(s.Values, "") {
		return Selector{}, fmt.Errorf("%w: %q is no selector, allowed are key=value, key=a|b, key!=value, key and !key",
			ErrInvalid, text)
	}
	return s, nil
}

func matchesAll(selectors []Selector, n *Node) bool {
	for _, s := range selectors {
		if !s.Matches(n) {
			return false
		}
	}
	return true
}

func selectorText(selectors []Selector) string {
	parts := make([]string, len(selectors))
	for i, s := range selectors {
		parts[i] = s.String()
	}
	return strings.Join(parts, " and ")
}
