package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/ops/config"
)

type settings struct {
	Name   string
	TTL    time.Duration
	Weight float64
	Nodes  int
	Open   bool
	Peers  []string
	Labels map[string]string
}

func table(s *settings) *config.Table {
	return config.NewTable(
		config.String(&s.Name, "name", "who").Required("a name"),
		config.Duration(&s.TTL, "session-ttl", "how long").Check("500ms to 1h", func() bool {
			return s.TTL >= 500*time.Millisecond && s.TTL <= time.Hour
		}),
		config.Float(&s.Weight, "weight", "how much"),
		config.Int(&s.Nodes, "nodes", "how many"),
		config.Bool(&s.Open, "insecure", "plaintext"),
		config.Strings(&s.Peers, "peers", "others"),
		config.Pairs(&s.Labels, "label", "labels"),
	)
}

func defaults() settings { return settings{Name: "s0", TTL: 5 * time.Second, Weight: 1, Nodes: 3} }

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load runs a command line through urfave/cli, as the binary does.
func load(t *testing.T, s *settings, environ []string, args ...string) (*config.Table, error) {
	t.Helper()
	tab := table(s)
	var loaded error
	app := &cli.App{Flags: tab.Flags(), Writer: &strings.Builder{}, Action: func(c *cli.Context) error {
		loaded = tab.Load(tab.FromCLI(c, environ))
		return nil
	}}
	if err := app.Run(append([]string{"test"}, args...)); err != nil {
		t.Fatalf("parse: %v", err)
	}
	return tab, loaded
}

func TestPrecedence(t *testing.T) {
	path := file(t, "name: from-file\nsession-ttl: 2s\nweight: 2\nnodes: 7\ninsecure: true\npeers: [a, b]\nlabel: {disk: ssd, rack: 7}\n")
	env := []string{"OMNIRELAY_NAME=from-env", "OMNIRELAY_SESSION_TTL=3s", "OMNIRELAY_LABEL=a=1,b=2", "HOME=/x", "OMNIRELAY_ENDPOINT=other"}
	for _, c := range []struct {
		name string
		env  []string
		args []string
		want settings
	}{
		{"defaults", nil, nil, defaults()},
		{"file", nil, []string{"--config", path}, settings{"from-file", 2 * time.Second, 2, 7, true,
			[]string{"a", "b"}, map[string]string{"disk": "ssd", "rack": "7"}}},
		{"environment over file", env, []string{"--config", path}, settings{"from-env", 3 * time.Second, 2, 7, true,
			[]string{"a", "b"}, map[string]string{"a": "1", "b": "2"}}},
		{"flags over all", env, []string{"--config", path, "--name", "from-flag", "--insecure=false", "--peers", "x,y", "--peers", "z",
			"--label", "k=v,w", "--label", "l="}, settings{"from-flag", 3 * time.Second, 2, 7, false,
			[]string{"x", "y", "z"}, map[string]string{"k": "v,w", "l": ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := defaults()
			if _, err := load(t, &got, c.env, c.args...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEffective(t *testing.T) {
	path := file(t, "# comment\nname: s1\n")
	s := defaults()
	tab, err := load(t, &s, []string{"OMNIRELAY_WEIGHT=4"}, "--config", path, "--nodes", "9")
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Effective{
		{"name", "s1", "file " + path + ":2"},
		{"session-ttl", "5s", "default"},
		{"weight", "4", "environment OMNIRELAY_WEIGHT"},
		{"nodes", "9", "flag --nodes"},
		{"insecure", "false", "default"},
		{"peers", "", "default"},
		{"label", "", "default"},
	}
	if diff := cmp.Diff(want, tab.Effective()); diff != "" {
		t.Error(diff)
	}
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		env  []string
		args []string
		want []config.Problem // Origin is compared by its first word
	}{
		{name: "unknown key", file: "sesion-ttl: 5s", want: []config.Problem{
			{Key: "sesion-ttl", Origin: "file", Text: "is no setting", Suggestion: "session-ttl"}}},
		{name: "unknown key far from all", file: "colour: red", want: []config.Problem{
			{Key: "colour", Origin: "file", Text: "is no setting", Allowed: "name, session-ttl, weight, nodes, insecure, peers, label"}}},
		{name: "key twice", file: "name: a\nname: b", want: []config.Problem{
			{Key: "name", Origin: "file", Text: "stands in line 1 already"}}},
		{name: "number for a text", file: "name: 5", want: []config.Problem{
			{Key: "name", Origin: "file", Text: "is the number 5", Allowed: "a text (quoted, where it looks like something else)"}}},
		{name: "duration without unit", file: "session-ttl: 5", want: []config.Problem{
			{Key: "session-ttl", Origin: "file", Text: "is the number 5", Allowed: "a duration with its unit, for example 500ms, 5s or 1m"}}},
		{name: "list for a number", file: "nodes: [1, 2]", want: []config.Problem{
			{Key: "nodes", Origin: "file", Text: "is a list", Allowed: "a whole number"}}},
		{name: "text for a truth value", file: "insecure: 'yes'", want: []config.Problem{
			{Key: "insecure", Origin: "file", Text: `is the text "yes"`, Allowed: "true or false"}}},
		{name: "empty value", file: "weight:", want: []config.Problem{
			{Key: "weight", Origin: "file", Text: "is empty", Allowed: "a number"}}},
		{name: "number in a list", file: "peers: [a, 1]", want: []config.Problem{
			{Key: "peers", Origin: "file", Text: "has in line 1 the number 1", Allowed: "a list of texts"}}},
		{name: "slip in the environment", env: []string{"OMNIRELAY_SESION_TTL=5s"}, want: []config.Problem{
			{Key: "OMNIRELAY_SESION_TTL", Origin: "environment", Text: "is no setting", Suggestion: "OMNIRELAY_SESSION_TTL"}}},
		{name: "bad variable and bad flag together", env: []string{"OMNIRELAY_NODES=many"}, args: []string{"--weight", "heavy"}, want: []config.Problem{
			{Key: "nodes", Origin: "environment", Text: `is "many"`, Allowed: "a whole number"},
			{Key: "weight", Origin: "flag", Text: `is "heavy"`, Allowed: "a number"}}},
		{name: "out of range", args: []string{"--session-ttl", "1ms"}, want: []config.Problem{
			{Key: "session-ttl", Origin: "flag", Text: `is "1ms"`, Allowed: "500ms to 1h"}}},
		{name: "required", args: []string{"--name", ""}, want: []config.Problem{
			{Key: "name", Origin: "flag", Text: "is not set", Allowed: "a name"}}},
		{name: "label without value", args: []string{"--label", "k"}, want: []config.Problem{
			{Key: "label", Origin: "flag", Text: `is "k"`, Allowed: "pairs such as key=value"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if c.file != "" {
				args = append(args, "--config", file(t, c.file))
			}
			s := defaults()
			_, err := load(t, &s, c.env, args...)
			var all *config.Error
			if !errors.As(err, &all) {
				t.Fatalf("error is %v, want *config.Error", err)
			}
			var got []config.Problem
			for _, p := range all.Problems {
				q := *p
				q.Origin, _, _ = strings.Cut(q.Origin, " ")
				got = append(got, q)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			for _, p := range all.Problems {
				if !strings.Contains(err.Error(), p.Key) {
					t.Errorf("the error does not name %s: %v", p.Key, err)
				}
			}
		})
	}
}

func TestFileThatIsNoMapping(t *testing.T) {
	for name, text := range map[string]string{"list": "- a", "text": "hello", "broken": "a: [", "bytes": "\x00\x01"} {
		t.Run(name, func(t *testing.T) {
			path := file(t, text)
			s := defaults()
			_, err := load(t, &s, nil, "--config", path)
			var wrong *config.Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), path) {
				t.Errorf("error is %v; want one that names %s", err, path)
			}
		})
	}
	s := defaults()
	if _, err := load(t, &s, nil, "--config", file(t, "")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := load(t, &s, nil, "--config", "/nowhere/at/all"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestOtherTablesVariables(t *testing.T) {
	s := defaults()
	tab := table(&s)
	environ := []string{"OMNIRELAY_NODE=n1"}
	if err := tab.Load(config.Sources{Environ: environ}); err == nil {
		t.Error("a slip of --nodes was ignored")
	}
	if err := tab.Load(config.Sources{Environ: environ, OtherKeys: []string{"node"}}); err != nil {
		t.Errorf("the variable of another table was refused: %v", err)
	}
}
