package config

import (
	"strings"
)

// Sources are where values come from, beside the defaults. The zero value has
// none.
type Sources struct {
	// File is the path of a YAML file; empty means no file.
	File string
	// Environ is the environment, as os.Environ has it.
	Environ []string
	// OtherKeys are the keys of other tables: their variables are no slips.
	OtherKeys []string
	// Flags are the texts of the flags that were given, by key.
	Flags map[string][]string
}

// Load fills the table. The error is an [*Error], or that of reading the file.
func (t *Table) Load(from Sources) error {
	var problems []*Problem
	if from.File != "" {
		found, err := t.loadFile(from.File)
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	problems = append(problems, t.loadEnv(from.Environ, from.OtherKeys)...)
	problems = append(problems, t.loadFlags(from.Flags)...)
	if len(problems) == 0 {
		problems = t.validate()
	}
	if len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

func (t *Table) loadEnv(environ, otherKeys []string) []*Problem {
	var problems []*Problem
	names := make([]string, len(t.settings))
	for i, s := range t.settings {
		names[i] = Env(s.key)
	}
	foreign := map[string]bool{}
	for _, key := range otherKeys {
		foreign[Env(key)] = true
	}
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		if s := t.byEnv(name); s != nil {
			if p := t.put(s, "environment "+name, s.split(value)); p != nil {
				problems = append(problems, p)
			}
			continue
		}
		// Variables that other programs of the family read are none of ours; one
		// that is a slip away from ours was meant to be.
		if near := nearest(name, names); near != "" && !foreign[name] {
			problems = append(problems, &Problem{Key: name, Origin: "environment", Text: "is no setting", Suggestion: near})
		}
	}
	return problems
}

func (t *Table) byEnv(name string) *Setting {
	for _, s := range t.settings {
		if Env(s.key) == name {
			return s
		}
	}
	return nil
}

// split cuts the text of a variable where a setting has several.
func (s *Setting) split(value string) []string {
	if s.kind == pairs {
		return strings.Split(value, ",")
	}
	return []string{value}
}

func (t *Table) loadFlags(given map[string][]string) []*Problem {
	var problems []*Problem
	for _, s := range t.settings {
		if texts := given[s.key]; len(texts) > 0 {
			if p := t.put(s, "flag --"+s.key, texts); p != nil {
				problems = append(problems, p)
			}
		}
	}
	return problems
}

// validate asks the checks of every setting; the first that fails counts.
func (t *Table) validate() []*Problem {
	var problems []*Problem
	for _, s := range t.settings {
		for _, check := range s.check {
			if p := check(); p != nil {
				p.Key, p.Origin = s.key, t.origins[s.key]
				if s.show() == "" && p.Origin == originDefault {
					// Nobody set it: where one could is what helps.
					p.Origin, p.Allowed = "", p.Allowed+"; by --"+s.key+", "+Env(s.key)+" or "+s.key+" in the file"
				}
				problems = append(problems, p)
				break
			}
		}
	}
	return problems
}
