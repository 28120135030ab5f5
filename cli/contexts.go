package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"
)

func contextCommand() *cli.Command {
	return &cli.Command{
		Name: "context", Usage: "choose the mesh to talk to",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list contexts; * marks the current one", Action: listContexts},
			{Name: "use", Usage: "make a context the current one", ArgsUsage: "NAME", Action: useContext},
			{Name: "show", Usage: "show a context, without its token", ArgsUsage: "[NAME]", Action: showContext},
		},
	}
}

func listContexts(c *cli.Context) error {
	f, err := loadContexts()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Contexts)) {
		mark := " "
		if name == f.Current {
			mark = "*"
		}
		fmt.Fprintf(c.App.Writer, "%s %s  %s\n", mark, name, strings.Join(f.Contexts[name].Endpoints, ","))
	}
	return nil
}

func useContext(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("use takes the NAME of a context")
	}
	f, err := loadContexts()
	if err != nil {
		return err
	}
	if _, err := f.get(c.Args().First()); err != nil {
		return err
	}
	f.Current = c.Args().First()
	return f.save()
}

func showContext(c *cli.Context) error {
	f, err := loadContexts()
	if err != nil {
		return err
	}
	name := c.Args().First()
	if name == "" {
		name = f.Current
	}
	if name == "" {
		return usage("no context is current (allowed: %s)", f.names())
	}
	shown, err := f.get(name)
	if err != nil {
		return err
	}
	if shown.Token != "" {
		shown.Token = "(set)"
	}
	data, err := yaml.Marshal(map[string]Context{name: shown})
	if err != nil {
		return fmt.Errorf("context: %w", err)
	}
	_, err = c.App.Writer.Write(data)
	return err
}

func (f *contextFile) get(name string) (Context, error) {
	c, ok := f.Contexts[name]
	if !ok {
		return Context{}, usage("context %q is unknown (allowed: %s)", name, f.names())
	}
	return c, nil
}

func (f *contextFile) names() string {
	if len(f.Contexts) == 0 {
		return "none are saved; omnirelay dev saves one"
	}
	return strings.Join(slices.Sorted(maps.Keys(f.Contexts)), ", ")
}
