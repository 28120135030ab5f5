package main

import (
	"context"
	"os"

	"github.com/urfave/cli/v2"

	commandline "github.com/omnirelay/omnirelay/cli"
)

func main() {
	app := &cli.App{
		Name:    "omnirelay",
		Usage:   "a control plane for sharded services",
		Version: release(),
		Commands: append([]*cli.Command{
			devCommand(), serveCommand(), agentCommand(),
		}, commandline.Commands(archives{})...),
	}
	os.Exit(commandline.Main(context.Background(), app, os.Args))
}
