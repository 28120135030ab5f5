package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/ops/config"
	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/ops/telemetry"
)

// Exit codes, as the command line has them.
const (
	exitFailed = 1
	exitUsage  = 2
)

// begin is the start that serve, agent and dev share: it fills the settings and
// returns the logger. log and who are asked when the settings are filled.
func begin(c *cli.Context, table *config.Table, log *telemetry.LogConfig, who func() telemetry.Identity) (*slog.Logger, error) {
	if c.NArg() > 0 {
		return nil, cli.Exit(fmt.Errorf("%s takes no argument %q (allowed: flags, see %s %s --help)",
			c.Command.Name, c.Args().First(), c.App.Name, c.Command.Name), exitUsage)
	}
	sources := table.FromCLI(c, os.Environ())
	sources.OtherKeys = knownKeys()
	if err := table.Load(sources); err != nil {
		return nil, cli.Exit(fmt.Errorf("%s: %w", c.Command.Name, err), exitOf(err))
	}
	logger, _, err := telemetry.NewLogger(os.Stderr, *log, who())
	if err != nil {
		return nil, cli.Exit(err, exitUsage)
	}
	for _, e := range table.Effective() {
		logger.Debug("setting", "key", e.Key, "value", e.Value, "origin", e.Origin)
	}
	return logger, nil
}

// exitOf is 2 for settings that are wrong or missing, 1 for a file that cannot
// be read.
func exitOf(err error) int {
	var wrong *config.Error
	if errors.As(err, &wrong) || errors.Is(err, fs.ErrNotExist) {
		return exitUsage
	}
	return exitFailed
}

// knownKeys are the keys of all commands: a variable of one is no slip of
// another's.
func knownKeys() []string {
	serve, agent, dev := node.DefaultConfig(), defaultAgent(), defaultDev()
	keys := []string{"endpoint", "identity", "token", "config", "e2e", "test-binary", "sim-seeds"}
	for _, table := range []*config.Table{node.Settings(&serve), agent.settings(), dev.settings()} {
		keys = append(keys, table.Keys()...)
	}
	return keys
}

// ended writes the last line of a process that failed.
func ended(log *slog.Logger, what string, err error) error {
	if err == nil {
		log.Info(what + " stopped")
		return nil
	}
	log.Error(what+" failed", node.Explain(err)...)
	return cli.Exit("", exitFailed)
}
