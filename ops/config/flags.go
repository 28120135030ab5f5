package config

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// Flags returns the command-line flags of the table, and --config for the file.
// They parse nothing: that is for Load, which knows what is allowed.
func (t *Table) Flags() []cli.Flag {
	flags := make([]cli.Flag, 0, len(t.settings)+1)
	flags = append(flags, &cli.StringFlag{Name: "config", Usage: "YAML `FILE` of settings", EnvVars: []string{EnvPrefix + "CONFIG"}})
	for _, s := range t.settings {
		usage := s.usage + " [$" + Env(s.key) + "]"
		if s.kind == boolean {
			flags = append(flags, &cli.BoolFlag{Name: s.key, Usage: usage})
			continue
		}
		flags = append(flags, &cli.GenericFlag{Name: s.key, Usage: usage, Value: &texts{}, DefaultText: s.show()})
	}
	return flags
}

// texts collects what a flag was given, in order.
type texts struct{ all []string }

// Set implements flag.Value.
func (t *texts) Set(s string) error {
	t.all = append(t.all, s)
	return nil
}

func (t *texts) String() string { return strings.Join(t.all, ",") }

// FromCLI returns the sources of a command: the file that --config names, the
// flags that were given, and the environment.
func (t *Table) FromCLI(c *cli.Context, environ []string) Sources {
	from := Sources{File: c.String("config"), Environ: environ, Flags: map[string][]string{}}
	for _, s := range t.settings {
		if !c.IsSet(s.key) {
			continue
		}
		if s.kind == boolean {
			from.Flags[s.key] = []string{boolText(c.Bool(s.key))}
			continue
		}
		if given, ok := c.Generic(s.key).(*texts); ok {
			from.Flags[s.key] = given.all
		}
	}
	return from
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
