package commands

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// MaxName is the greatest length of a name in bytes.
const MaxName = 128

// nameRule is what every name of a node, namespace, role or label key keeps.
const nameRule = "1 to 128 of a-z A-Z 0-9 . _ -, beginning with a letter or digit"

// CheckName refuses, naming the field, what is no name of a node, namespace,
// role, region, zone or label key.
func CheckName(field, name string) error {
	if name == "" {
		return BadField(field, nameRule, "is missing")
	}
	if len(name) > MaxName {
		return BadField(field, nameRule, "has %d characters", len(name))
	}
	// All before the first that is refused are one byte each.
	for i, c := range name {
		if !nameRune(c, i == 0) {
			return BadField(field, nameRule, "%q has %q at character %d", name, c, i+1)
		}
	}
	return nil
}

func nameRune(c rune, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	case c == '.', c == '_', c == '-':
		return !first
	}
	return false
}

// CheckText refuses text over max bytes, with control characters, or that is no
// UTF-8, which could not be stored.
func CheckText(field, text string, max int) error {
	if len(text) > max {
		return BadField(field, "at most "+itoa(max)+" bytes", "has %d bytes", len(text))
	}
	if !utf8.ValidString(text) {
		return BadField(field, "text in UTF-8", "is not UTF-8")
	}
	for i := range len(text) {
		if text[i] < 0x20 || text[i] == 0x7f {
			return BadField(field, "text without control characters", "has a control character at byte %d", i+1)
		}
	}
	return nil
}

// Bounds of labels.
const (
	MaxLabels     = 64
	MaxLabelValue = 256
)

// CheckLabels refuses, naming the field, too many labels, a key that is no name
// and a value that is no text.
func CheckLabels(field string, labels map[string]string) error {
	if len(labels) > MaxLabels {
		return BadField(field, "at most 64 labels", "has %d entries", len(labels))
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if err := CheckName(field, k); err != nil {
			return err
		}
		if err := CheckText(field, labels[k], MaxLabelValue); err != nil {
			return err
		}
	}
	return nil
}
