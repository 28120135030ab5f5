package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	commandline "github.com/omnirelay/omnirelay/cli"
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
			Check("1; clusters of three servers are not in this release", func() bool { return d.Servers == 1 }),
		config.Int(&d.Nodes, "nodes", "agents with role worker").
			Check(fmt.Sprintf("0 to %d", maxDevNodes), func() bool { return d.Nodes >= 0 && d.Nodes <= maxDevNodes }),
		config.String(&d.Namespace, "namespace", "namespace that is created if it is not there").Required("a name such as demo").
			Check(nameAllowed, func() bool { return isName(d.Namespace) }),
		config.Int(&d.Shards, "shards", "shards of that namespace").
			Check("1 to 1000000", func() bool { return d.Shards >= 1 && d.Shards <= 1_000_000 }),
		config.String(&d.server.Data, "data", "directory that keeps state across runs; without it a temporary one"),
		config.String(&d.server.HTTP, "http", "address of the API").
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

// runDev runs a server and its agents until ctx ends or one of them fails. The
// agents end first: they release what they own to a server that still answers.
func runDev(ctx context.Context, cfg *devConfig, log *slog.Logger, out io.Writer) (err error) {
	root := cfg.server.Data
	if root == "" {
		if root, err = os.MkdirTemp("", "omnirelay-dev-*"); err != nil {
			return fmt.Errorf("temporary data directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	}
	server := cfg.server
	server.Data = filepath.Join(root, "s1")
	address := make(chan string, 1)
	all, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	serving, stopServer := context.WithCancel(failed)
	defer stopServer()
	all.Go(func() error {
		return node.Run(serving, server, node.Options{Version: release(), Logger: log.With("node", server.Name),
			OnReady: func(at string) { address <- at }})
	})
	all.Go(func() error {
		defer stopServer()
		select {
		case at := <-address:
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			context.AfterFunc(failed, cancel)
			return runDevAgents(ctx, cfg, "http://"+at, root, log, out)
		case <-ctx.Done():
		case <-failed.Done():
		}
		return nil
	})
	return all.Wait()
}

// runDevAgents fills a ready server: a namespace, agents, and a context for the
// command line. It returns when ctx ended and the agents have.
func runDevAgents(ctx context.Context, cfg *devConfig, url, root string, log *slog.Logger, out io.Writer) error {
	shards, err := createNamespace(ctx, cfg, url)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("create namespace %s: %w", cfg.Namespace, err)
	}
	current, saved := commandline.SaveContext("dev", commandline.Context{Endpoints: []string{url}})
	agents, ctx := errgroup.WithContext(ctx)
	for i := range cfg.Nodes {
		agent := defaultAgent()
		agent.Insecure, agent.Endpoints, agent.NodeID = true, []string{url}, fmt.Sprintf("n%d", i+1)
		agent.Data = filepath.Join(root, agent.NodeID)
		agents.Go(func() error { return runAgent(ctx, agent, log) })
	}
	cfg.greet(out, url, root, shards, current, saved)
	agents.Go(func() error { <-ctx.Done(); return nil })
	return agents.Wait()
}

// createNamespace creates the namespace unless it is there, and returns how
// many shards it has: one of an earlier run keeps its own.
func createNamespace(ctx context.Context, cfg *devConfig, url string) (shards int, err error) {
	c, err := client.New(client.DefaultConfig(url))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_, err = c.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{
		Namespace: cfg.Namespace, ShardCount: int32(cfg.Shards),
		Mutation: &controlv1.Mutation{Reason: "omnirelay dev"},
	})
	var refused *client.Error
	if errors.As(err, &refused) && refused.Reason == "namespace_exists" {
		kept, err := c.Namespaces.Get(ctx, &controlv1.GetNamespaceRequest{Namespace: cfg.Namespace})
		return int(kept.GetShardCount()), err
	}
	return cfg.Shards, err
}

// greet says where everything is and what to try.
func (d *devConfig) greet(out io.Writer, url, root string, shards int, current bool, saved error) {
	kept := "removed at the end; --data DIR keeps it"
	if d.server.Data != "" {
		kept = "kept"
	}
	fmt.Fprintf(out, `omnirelay dev: one server, %d agents, namespace %s with %d shards

  API, REST and events  %s
  metrics               %s/metrics
  data                  %s (%s)
  credentials           none: plaintext on loopback, for trying only
`, d.Nodes, d.Namespace, shards, url, url, root, kept)
	flag := ""
	switch {
	case saved != nil:
		flag = " --endpoint " + url
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
