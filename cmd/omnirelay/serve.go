package main

import (
	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/ops/telemetry"
)

func serveCommand() *cli.Command {
	cfg := node.DefaultConfig()
	table := node.Settings(&cfg)
	return &cli.Command{
		Name: "serve", Usage: "run a server of the control plane", Flags: table.Flags(),
		Action: func(c *cli.Context) error {
			log, err := begin(c, table, &cfg.Log, func() telemetry.Identity {
				return telemetry.Identity{Role: "server", Node: cfg.Name, Cluster: cfg.Cluster}
			})
			if err != nil {
				return err
			}
			return ended(log, "server", node.Run(c.Context, cfg, node.Options{Version: release(), Logger: log}))
		},
	}
}
