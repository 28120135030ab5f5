package cli_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/urfave/cli/v2"

	meshcli "github.com/omnirelay/omnirelay/cli"
)

var update = flag.Bool("update", false, "write the scripts' expected output anew") //nolint:gochecknoglobals // a test flag

func app() *cli.App {
	return &cli.App{Name: "omnirelay", Version: "v0.0.0-test", Commands: meshcli.Commands(nil)}
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"omnirelay": func() { os.Exit(meshcli.Main(context.Background(), app(), os.Args)) },
	})
}

// The scripts run the command line as a user would, against a server whose
// answers never change.
func TestScripts(t *testing.T) {
	url := serve(t)
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("URL", url)
			e.Setenv("OMNIRELAY_ENDPOINT", url)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/config")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits CODE ARGS… runs omnirelay and checks its exit code; its output is then
// there for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("omnirelay", args[1:]...)
	got := 0
	if err != nil {
		var code interface{ ExitCode() int }
		if c, ok := err.(interface{ ExitCode() int }); ok {
			code = c
			got = code.ExitCode()
		} else {
			ts.Fatalf("%v", err)
		}
	}
	if got != want {
		ts.Fatalf("%s", fmt.Sprintf("exit code %d, want %d", got, want))
	}
}
