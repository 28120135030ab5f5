package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/api/v1json"
)

// completionFlag is what shells append to ask for candidates.
const completionFlag = "--generate-bash-completion"

// reorder brings a command line into the order that the library reads: the
// command's words, its flags, its arguments. The library itself stops reading
// flags at the first argument, and silently takes the rest for arguments.
//
// On the way it finds unknown commands and flags, which the library answers
// with a page of help.
func reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 || args[len(args)-1] == completionFlag {
		return args, nil
	}
	o := &ordering{commands: app.Commands, root: app.Flags}
	rest := args[1:]
	for len(rest) > 0 {
		used, err := o.take(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[used:]
	}
	if o.command == nil {
		// Flags of the app itself, or nothing at all.
		return append([]string{args[0]}, o.flags...), o.checkRoot()
	}
	ordered := append([]string{args[0]}, o.words...)
	ordered = append(ordered, o.flags...)
	if slices.ContainsFunc(o.arguments, func(a string) bool { return strings.HasPrefix(a, "-") }) {
		ordered = append(ordered, "--")
	}
	return append(ordered, o.arguments...), o.check()
}

// ordering is a command line while it is read.
type ordering struct {
	root     []cli.Flag
	commands []*cli.Command
	command  *cli.Command

	words, flags, arguments []string
	// names of the flags that were given, to be checked when the command is
	// known.
	names []string
}

// take reads one flag, word or argument and says how many strings it was.
func (o *ordering) take(rest []string) (int, error) {
	s := rest[0]
	switch {
	case s == "--":
		o.arguments = append(o.arguments, rest[1:]...)
		return len(rest), nil
	case len(s) > 1 && s[0] == '-':
		return o.takeFlag(rest)
	case len(o.commands) == 0:
		o.arguments = append(o.arguments, s)
		return 1, nil
	}
	at := slices.IndexFunc(o.commands, func(c *cli.Command) bool { return c.HasName(s) })
	if at < 0 && s == "help" {
		// The verb is hidden between the others, and typed all the same.
		o.names, o.flags = append(o.names, "help"), append(o.flags, "--help")
		return 1, nil
	}
	if at < 0 {
		return 0, o.unknownCommand(s)
	}
	o.command = o.commands[at]
	o.commands = o.command.Subcommands
	o.words = append(o.words, s)
	return 1, nil
}

func (o *ordering) takeFlag(rest []string) (int, error) {
	name, value, given := strings.Cut(strings.TrimLeft(rest[0], "-"), "=")
	o.names = append(o.names, name)
	dashes := strings.Repeat("-", min(2, len(rest[0])-len(strings.TrimLeft(rest[0], "-"))))
	flag := o.find(name)
	switch {
	case given:
		o.flags = append(o.flags, dashes+name+"="+value)
		return 1, nil
	case flag == nil || !takesValue(flag):
		o.flags = append(o.flags, dashes+name)
		return 1, nil
	case len(rest) < 2:
		return 0, usage("flag %s%s needs a value", dashes, name)
	}
	o.flags = append(o.flags, dashes+name+"="+rest[1])
	return 2, nil
}

// find looks a flag up in the command as far as it is known, and in what may
// still follow.
func (o *ordering) find(name string) cli.Flag {
	if o.command != nil {
		if f := findFlag(o.command.Flags, name); f != nil {
			return f
		}
	} else if f := findFlag(o.root, name); f != nil {
		return f
	}
	return findBelow(o.commands, name)
}

func findBelow(commands []*cli.Command, name string) cli.Flag {
	for _, c := range commands {
		if f := findFlag(c.Flags, name); f != nil {
			return f
		}
		if f := findBelow(c.Subcommands, name); f != nil {
			return f
		}
	}
	return nil
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

// check refuses flags that the command does not have, and misses those that
// it must have.
func (o *ordering) check() error {
	if err := o.checkKnown(); err != nil || slices.Contains(o.names, "help") || slices.Contains(o.names, "h") {
		return err
	}
	for _, f := range o.command.Flags {
		required, ok := f.(cli.RequiredFlag)
		if ok && required.IsRequired() && !slices.ContainsFunc(f.Names(), func(n string) bool { return slices.Contains(o.names, n) }) {
			return usage("%s needs --%s", strings.Join(o.words, " "), f.Names()[0])
		}
	}
	return nil
}

func (o *ordering) checkKnown() error {
	for _, name := range o.names {
		if name == "help" || name == "h" || findFlag(o.command.Flags, name) != nil {
			continue
		}
		var known []string
		for _, f := range o.command.Flags {
			known = append(known, f.Names()[0])
		}
		slices.Sort(known)
		hint := ""
		if near := v1json.Nearest(name, known); near != "" {
			hint = ", did you mean --" + near + "?"
		}
		return usage("%s has no flag %q%s (allowed: --%s)", strings.Join(o.words, " "), name, hint, strings.Join(append(known, "help"), ", --"))
	}
	return nil
}

// checkRoot refuses flags that the app itself does not have.
func (o *ordering) checkRoot() error {
	known := []string{"help", "version"}
	for _, name := range o.names {
		if slices.Contains(append(known, "h", "v"), name) || findFlag(o.root, name) != nil {
			continue
		}
		hint := ""
		if near := v1json.Nearest(name, known); near != "" {
			hint = ", did you mean --" + near + "?"
		}
		return usage("there is no flag %q%s (allowed: a command and its flags, --help, --version)", name, hint)
	}
	return nil
}

func (o *ordering) unknownCommand(s string) error {
	var known []string
	for _, c := range o.commands {
		if !c.Hidden {
			known = append(known, c.Name)
		}
	}
	hint := ""
	if near := v1json.Nearest(s, known); near != "" {
		hint = ", did you mean " + near + "?"
	}
	where := strings.Join(o.words, " ")
	if where != "" {
		where += " "
	}
	return usage("unknown command %q%s (allowed: %s)", where+s, hint, strings.Join(known, ", "))
}
