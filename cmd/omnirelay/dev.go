package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/ops/config"
	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/ops/telemetry"
)

// devConfig are the settings of a mesh in one process.
type devConfig struct {
	Servers   int
	Nodes     int
	Namespace string
	Shards    int
	server    node.Config // Data, HTTP, SessionTTL and Log are settings
}

// maxDevNodes bounds the agents in one process.
const maxDevNodes = 100

func defaultDev() *devConfig {
	d := &devConfig{Servers: 1, Nodes: 3, Namespace: "demo", Shards: 64, server: node.DefaultConfig()}
	d.server.Cluster, d.server.Data, d.server.Insecure, d.server.Log.Level = "dev", "", true, "warn"
	return d
}

func (d *devConfig) settings() *config.Table {
	return config.NewTable(append([]*config.Setting{
		config.Int(&d.Servers, "servers", "servers of the control plane").
			Check("1, 3", func() bool { return d.Servers == 1 || d.Servers == 3 }),
		config.Int(&d.Nodes, "nodes", "agents with role worker").
			Check(fmt.Sprintf("0 to %d", maxDevNodes), func() bool { return d.Nodes >= 0 && d.Nodes <= maxDevNodes }),
		config.String(&d.Namespace, "namespace", "namespace that is created if it is not there").Required("a name such as demo").
			Check(nameAllowed, func() bool { return isName(d.Namespace) }),
		config.Int(&d.Shards, "shards", "shards of that namespace").
			Check("1 to 1000000", func() bool { return d.Shards >= 1 && d.Shards <= 1_000_000 }),
		config.String(&d.server.Data, "data", "directory that keeps state across runs; without it a temporary one"),
		config.String(&d.server.HTTP, "http", "address of the API of the first server; others take free ports").
			Check("an address of this machine's loopback, such as 127.0.0.1:8080", func() bool { return node.IsLoopback(d.server.HTTP) }),
		config.Duration(&d.server.SessionTTL, "session-ttl", "first value of the session policy").
			Check(policy.MinSessionTTL.String()+" to "+policy.MaxSessionTTL.String(), func() bool {
				return d.server.SessionTTL >= policy.MinSessionTTL && d.server.SessionTTL <= policy.MaxSessionTTL
			}),
	}, node.LogSettings(&d.server.Log)...)...)
}

func devCommand() *cli.Command {
	cfg := defaultDev()
	table := cfg.settings()
	return &cli.Command{
		Name: "dev", Usage: "a whole mesh in one process, to try", Flags: table.Flags(),
		Action: func(c *cli.Context) error {
			log, err := begin(c, table, &cfg.server.Log, func() telemetry.Identity { return telemetry.Identity{Role: "dev"} })
			if err != nil {
				return err
			}
			err = runDev(c.Context, cfg, log, c.App.Writer)
			if err == nil {
				fmt.Fprintln(c.App.Writer, "stopped")
			}
			return ended(log, "dev", err)
		},
	}
}

// greet says where everything is and what to try.
func (d *devConfig) greet(out io.Writer, urls []string, root string, shards int, current bool, saved error) {
	kept := "removed at the end; --data DIR keeps it"
	if d.server.Data != "" {
		kept = "kept"
	}
	servers := "one server"
	if len(urls) > 1 {
		servers = fmt.Sprintf("%d servers", len(urls))
	}
	fmt.Fprintf(out, "omnirelay dev: %s, %d agents, namespace %s with %d shards\n\n", servers, d.Nodes, d.Namespace, shards)
	for i, url := range urls {
		label := ""
		if i == 0 {
			label = "API, REST and events"
		}
		fmt.Fprintf(out, "  %-20s  %s\n", label, url)
	}
	fmt.Fprintf(out, `  metrics               %s/metrics%s
  data                  %s (%s)
  credentials           none: plaintext on loopback, for trying only
`, urls[0], map[bool]string{true: ", and the others'"}[len(urls) > 1], root, kept)
	flag := ""
	switch {
	case saved != nil:
		flag = " --endpoint " + strings.Join(urls, ",")
		fmt.Fprintf(out, "  context               not saved: %v\n", saved)
	case !current:
		flag = " --context dev"
		fmt.Fprintf(out, "  context               dev (another one is current; omnirelay context use dev)\n")
	default:
		fmt.Fprintf(out, "  context               dev\n")
	}
	fmt.Fprintf(out, `
Try in another terminal:

  omnirelay mesh status%[1]s
  omnirelay mesh shards list --namespace %[2]s%[1]s
  omnirelay mesh log tail --follow%[1]s

Ctrl-C ends it.
`, flag, d.Namespace)
}
