package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// Commands returns the commands of this package: mesh, context, completion and
// version. archives is what some of them do on this machine.
func Commands(archives Archives) []*cli.Command {
	return []*cli.Command{
		{
			Name:  "mesh",
			Usage: "ask and steer the mesh",
			Subcommands: []*cli.Command{
				statusCommand(), serversCommand(), peersCommand(), leadersCommand(), namespacesCommand(), shardsCommand(),
				schedulesCommand(), maintenanceCommand(), upgradeCommand(),
				logCommand(archives), auditCommand(), versionsCommand(), awaitCommand(),
			},
		},
		contextCommand(),
		completionCommand(),
		versionCommand(),
	}
}

// Main runs an app that has the commands, with the program's arguments (its
// name is the first), and returns the exit code. An interrupt ends ctx; what
// was watching then ends well. The app's Writer, ErrWriter and Reader are used
// when set.
func Main(ctx context.Context, app *cli.App, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if app.Writer == nil {
		app.Writer = os.Stdout
	}
	if app.ErrWriter == nil {
		app.ErrWriter = os.Stderr
	}
	if app.Reader == nil {
		app.Reader = os.Stdin
	}
	app.EnableBashCompletion = true
	app.HideHelpCommand = true
	// The library would print and exit by itself.
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = onUsageError
	prepare(app.Commands)

	ordered, err := reorder(app, args)
	if err == nil {
		err = app.RunContext(ctx, ordered)
	}
	code := ExitCode(err)
	var own cli.ExitCoder
	if errors.As(err, &own) {
		code = own.ExitCode()
	}
	if err != nil && code != exitPipe && !errors.Is(err, errDifference) && err.Error() != "" {
		fmt.Fprintf(app.ErrWriter, "%s: %s\n", app.Name, oneLine(err))
	}
	return code
}

// prepare hides the help verb, which would stand between the others, and has
// wrong flags reported here.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand = true
		c.OnUsageError = onUsageError
		prepare(c.Subcommands)
	}
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	return flagError(c, err)
}

func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(worded(err), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
