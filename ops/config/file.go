package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFileBytes bounds a file of settings; one that is larger is something else.
const maxFileBytes = 1 << 20

// fileAllowed is what a file of settings is.
const fileAllowed = "a mapping from keys to values"

// loadFile reads a YAML mapping from keys to values. The error is that of
// reading; what stands in the file and should not is a problem.
func (t *Table) loadFile(path string) ([]*Problem, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("settings: read %s: %w", path, err)
	}
	if len(data) > maxFileBytes {
		return []*Problem{{Key: path, Text: fmt.Sprintf("has more than %d bytes", maxFileBytes), Allowed: fileAllowed}}, nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil && !errors.Is(err, io.EOF) {
		return []*Problem{{Key: path, Text: "is no YAML: " + strings.TrimPrefix(err.Error(), "yaml: "), Allowed: fileAllowed}}, nil
	}
	if document.Kind == 0 {
		return nil, nil // an empty file sets nothing
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return []*Problem{{Key: fmt.Sprintf("%s:%d", path, root.Line), Text: "is " + describe(root), Allowed: fileAllowed}}, nil
	}
	return t.loadMapping(path, root), nil
}

func (t *Table) loadMapping(path string, root *yaml.Node) []*Problem {
	var problems []*Problem
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		origin := fmt.Sprintf("file %s:%d", path, key.Line)
		if line, twice := seen[key.Value]; twice {
			problems = append(problems, &Problem{Key: key.Value, Origin: origin, Text: fmt.Sprintf("stands in line %d already", line)})
			continue
		}
		seen[key.Value] = key.Line
		s := t.find(key.Value)
		if s == nil {
			p := &Problem{Key: key.Value, Origin: origin, Text: "is no setting", Suggestion: nearest(key.Value, t.Keys())}
			if p.Suggestion == "" {
				p.Allowed = strings.Join(t.Keys(), ", ")
			}
			problems = append(problems, p)
			continue
		}
		texts, p := s.texts(resolve(value))
		if p == nil {
			p = t.put(s, origin, texts)
		}
		if p != nil {
			p.Key, p.Origin = s.key, origin
			problems = append(problems, p)
		}
	}
	return problems
}

// texts takes the texts of a YAML value whose type fits the setting.
func (s *Setting) texts(n *yaml.Node) ([]string, *Problem) {
	misfit := &Problem{Text: "is " + describe(n), Allowed: s.kind.allowed()}
	switch s.kind {
	case list:
		return sequence(n, misfit)
	case pairs:
		if n.Kind == yaml.MappingNode {
			return mapping(n, misfit)
		}
		return sequence(n, misfit)
	default:
		if n.Kind != yaml.ScalarNode || !s.kind.fits(n.ShortTag()) {
			return nil, misfit
		}
		return []string{n.Value}, nil
	}
}

// fits tells whether YAML's type of a scalar is that of the setting.
func (k kind) fits(tag string) bool {
	switch k {
	case boolean:
		return tag == "!!bool"
	case integer:
		return tag == "!!int"
	case number:
		return tag == "!!int" || tag == "!!float"
	default:
		return tag == "!!str"
	}
}

func sequence(n *yaml.Node, misfit *Problem) ([]string, *Problem) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		return []string{n.Value}, nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, misfit
	}
	var all []string
	for _, entry := range n.Content {
		if entry = resolve(entry); entry.Kind != yaml.ScalarNode || entry.ShortTag() != "!!str" {
			misfit.Text = fmt.Sprintf("has in line %d %s", entry.Line, describe(entry))
			return nil, misfit
		}
		all = append(all, entry.Value)
	}
	return all, nil
}

func mapping(n *yaml.Node, misfit *Problem) ([]string, *Problem) {
	var all []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null" {
			misfit.Text = fmt.Sprintf("has for %q %s", key.Value, describe(value))
			return nil, misfit
		}
		all = append(all, key.Value+"="+value.Value)
	}
	if len(all) == 0 {
		return nil, misfit
	}
	return all, nil
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// describe says what a YAML value is, in words.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			return "an empty list"
		}
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!bool":
		return fmt.Sprintf("the truth value %s", n.Value)
	case "!!int", "!!float":
		return fmt.Sprintf("the number %s", n.Value)
	case "!!timestamp":
		return fmt.Sprintf("the date %s", n.Value)
	}
	return fmt.Sprintf("the text %q", n.Value)
}
