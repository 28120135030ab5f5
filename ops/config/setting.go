package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one line of a table: a key, and where its value goes. The value
// that the destination has when the table is made is the default.
type Setting struct {
	key   string
	usage string
	kind  kind
	// set parses one text into the destination; for lists it gets all texts.
	set   func(texts []string) *Problem
	show  func() string
	check []func() *Problem
}

// kind says how a setting is written in YAML and on the command line.
type kind uint8

const (
	text kind = iota
	boolean
	integer
	number
	duration
	list
	pairs
)

// allowed says in words what a value of the kind looks like.
func (k kind) allowed() string {
	switch k {
	case boolean:
		return "true or false"
	case integer:
		return "a whole number"
	case number:
		return "a number"
	case duration:
		return "a duration with its unit, for example 500ms, 5s or 1m"
	case list:
		return "a list of texts"
	case pairs:
		return "pairs such as key=value"
	default:
		return "a text (quoted, where it looks like something else)"
	}
}

// String is a text.
func String(to *string, key, usage string) *Setting {
	return &Setting{key: key, usage: usage, kind: text,
		set:  func(texts []string) *Problem { *to = last(texts); return nil },
		show: func() string { return *to }}
}

// Bool is true or false; as a flag it needs no value.
func Bool(to *bool, key, usage string) *Setting {
	return &Setting{key: key, usage: usage, kind: boolean, show: func() string { return strconv.FormatBool(*to) },
		set: func(texts []string) *Problem {
			switch last(texts) {
			case "true":
				*to = true
			case "false":
				*to = false
			default:
				return wrong(boolean, texts)
			}
			return nil
		}}
}

// Int is a whole number.
func Int(to *int, key, usage string) *Setting {
	return &Setting{key: key, usage: usage, kind: integer, show: func() string { return strconv.Itoa(*to) },
		set: func(texts []string) *Problem {
			n, err := strconv.Atoi(last(texts))
			if err != nil {
				return wrong(integer, texts)
			}
			*to = n
			return nil
		}}
}

// Float is a number.
func Float(to *float64, key, usage string) *Setting {
	return &Setting{key: key, usage: usage, kind: number,
		show: func() string { return strconv.FormatFloat(*to, 'g', -1, 64) },
		set: func(texts []string) *Problem {
			f, err := strconv.ParseFloat(last(texts), 64)
			if err != nil {
				return wrong(number, texts)
			}
			*to = f
			return nil
		}}
}

// Duration is a length of time with its unit.
func Duration(to *time.Duration, key, usage string) *Setting {
	return &Setting{key: key, usage: usage, kind: duration, show: func() string { return to.String() },
		set: func(texts []string) *Problem {
			d, err := time.ParseDuration(last(texts))
			if err != nil {
				return wrong(duration, texts)
			}
			*to = d
			return nil
		}}
}

// Strings is a list: a sequence in YAML, elsewhere separated by commas or given
// several times.
func Strings(to *[]string, key, usage string) *Setting {
	return &Setting{key: key, usage: usage, kind: list, show: func() string { return strings.Join(*to, ",") },
		set: func(texts []string) *Problem {
			var all []string
			for _, t := range texts {
				for part := range strings.SplitSeq(t, ",") {
					if part = strings.TrimSpace(part); part == "" {
						return &Problem{Text: fmt.Sprintf("has an empty entry in %q", t), Allowed: list.allowed()}
					}
					all = append(all, part)
				}
			}
			*to = all
			return nil
		}}
}

// Pairs is a map from text to text: a mapping in YAML, elsewhere key=value,
// given several times. A comma belongs to the value on the command line, and
// separates pairs in the environment.
func Pairs(to *map[string]string, key, usage string) *Setting {
	return &Setting{key: key, usage: usage, kind: pairs,
		show: func() string {
			all := make([]string, 0, len(*to))
			for k, v := range *to {
				all = append(all, k+"="+v)
			}
			slices.Sort(all)
			return strings.Join(all, ",")
		},
		set: func(texts []string) *Problem {
			all := make(map[string]string, len(texts))
			for _, t := range texts {
				k, v, ok := strings.Cut(t, "=")
				if !ok || k == "" {
					return wrong(pairs, []string{t})
				}
				if _, twice := all[k]; twice {
					return &Problem{Text: fmt.Sprintf("names %q twice", k), Allowed: "each key once"}
				}
				all[k] = v
			}
			*to = all
			return nil
		}}
}

// Check adds a rule that the value, wherever it comes from, must pass: ok is
// asked once the table is filled, allowed says what would pass.
func (s *Setting) Check(allowed string, ok func() bool) *Setting {
	s.check = append(s.check, func() *Problem {
		if ok() {
			return nil
		}
		return &Problem{Text: fmt.Sprintf("is %q", s.show()), Allowed: allowed}
	})
	return s
}

// Required refuses the empty value.
func (s *Setting) Required(example string) *Setting {
	s.check = append(s.check, func() *Problem {
		if s.show() != "" {
			return nil
		}
		return &Problem{Text: "is not set", Allowed: example}
	})
	return s
}

// last is the text that counts where a setting has one value: the last flag.
func last(texts []string) string { return texts[len(texts)-1] }

func wrong(k kind, texts []string) *Problem {
	return &Problem{Text: fmt.Sprintf("is %q", last(texts)), Allowed: k.allowed()}
}
