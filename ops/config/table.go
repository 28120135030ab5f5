package config

import (
	"fmt"
	"slices"
	"strings"
)

// EnvPrefix begins the name of every environment variable of a setting.
const EnvPrefix = "OMNIRELAY_"

// Table is the settings of one kind of process.
type Table struct {
	settings []*Setting
	origins  map[string]string
}

// NewTable returns a table. A key that stands twice, or that is no lower-case
// word, is a mistake in the program: it panics.
func NewTable(settings ...*Setting) *Table {
	t := &Table{settings: settings, origins: map[string]string{}}
	for _, s := range settings {
		if s.key == "" || strings.ToLower(s.key) != s.key || strings.ContainsAny(s.key, " _=") {
			panic(fmt.Sprintf("config: %q is no key", s.key))
		}
		if _, twice := t.origins[s.key]; twice {
			panic(fmt.Sprintf("config: key %q stands twice", s.key))
		}
		t.origins[s.key] = originDefault
	}
	return t
}

// The origins of values; those of a file, a variable and a flag say which.
const originDefault = "default"

// Effective is one setting as it is in force.
type Effective struct {
	Key   string
	Value string
	// Origin is "default", "file PATH:LINE", "environment NAME" or "flag --NAME".
	Origin string
}

// Effective returns all settings in the order of the table.
func (t *Table) Effective() []Effective {
	all := make([]Effective, len(t.settings))
	for i, s := range t.settings {
		all[i] = Effective{Key: s.key, Value: s.show(), Origin: t.origins[s.key]}
	}
	return all
}

// Env is the environment variable of a key.
func Env(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// Keys returns the keys in the order of the table.
func (t *Table) Keys() []string {
	keys := make([]string, len(t.settings))
	for i, s := range t.settings {
		keys[i] = s.key
	}
	return keys
}

func (t *Table) find(key string) *Setting {
	i := slices.IndexFunc(t.settings, func(s *Setting) bool { return s.key == key })
	if i < 0 {
		return nil
	}
	return t.settings[i]
}

// put gives a setting its texts and remembers where they came from.
func (t *Table) put(s *Setting, origin string, texts []string) *Problem {
	if p := s.set(texts); p != nil {
		p.Key, p.Origin = s.key, origin
		return p
	}
	t.origins[s.key] = origin
	return nil
}
