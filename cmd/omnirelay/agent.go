package main

import (
	"net/url"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/ops/config"
	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/ops/telemetry"
)

// agentConfig are the settings of an agent.
type agentConfig struct {
	Insecure  bool
	Endpoints []string
	NodeID    string
	Role      string
	Region    string
	Zone      string
	Weight    float64
	Labels    map[string]string
	Data      string
	// TakeoverWait is how long another process may have the node id.
	TakeoverWait time.Duration
	// LeaveSilence is how long to go on leaving while no server answers.
	LeaveSilence time.Duration
	Log          telemetry.LogConfig
}

func defaultAgent() *agentConfig {
	return &agentConfig{
		Endpoints: []string{"http://127.0.0.1:8080"}, Role: "worker", Weight: 1,
		TakeoverWait: 30 * time.Second, LeaveSilence: 3 * time.Second, Log: telemetry.DefaultLogConfig(),
	}
}

func (a *agentConfig) settings() *config.Table {
	return config.NewTable(append([]*config.Setting{
		config.Bool(&a.Insecure, "insecure", "plaintext without identity, servers on loopback only").
			Check("true; this release has no certificates yet, so that it joins only with --insecure and only on loopback",
				func() bool { return a.Insecure }),
		config.Strings(&a.Endpoints, "endpoint", "URLs of the servers of one mesh").
			Check("URLs such as http://127.0.0.1:8080, on loopback because of --insecure", a.endpointsOK),
		config.String(&a.NodeID, "node-id", "id of this node, unique in the mesh").Required("a name such as n1"),
		config.String(&a.Role, "role", "role of this node; namespaces are placed on one role"),
		config.String(&a.Region, "region", "where this node is"),
		config.String(&a.Zone, "zone", "where in the region this node is"),
		config.Float(&a.Weight, "weight", "share of the load that this node takes, beside others").
			Check("0.001 to 100", func() bool { return a.Weight >= 0.001 && a.Weight <= 100 }),
		config.Pairs(&a.Labels, "label", "key=value, as often as needed"),
		config.String(&a.Data, "data", "directory of the session's secret and of what was released").Required("a directory"),
		config.Duration(&a.TakeoverWait, "takeover-wait", "how long to wait while another process has the node id").
			Check("0s or more", func() bool { return a.TakeoverWait >= 0 }),
		config.Duration(&a.LeaveSilence, "leave-silence", "how long to go on leaving at the end while no server answers, 10s at most").
			Check("1ms to 10s", func() bool { return a.LeaveSilence >= time.Millisecond && a.LeaveSilence <= 10*time.Second }),
	}, node.LogSettings(&a.Log)...)...)
}

func (a *agentConfig) endpointsOK() bool {
	for _, endpoint := range a.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !node.IsLoopback(u.Host) {
			return false
		}
	}
	return len(a.Endpoints) > 0
}

func agentCommand() *cli.Command {
	cfg := defaultAgent()
	table := cfg.settings()
	return &cli.Command{
		Name: "agent", Usage: "join the mesh as a node that takes shards", Flags: table.Flags(),
		Action: func(c *cli.Context) error {
			log, err := begin(c, table, &cfg.Log, func() telemetry.Identity {
				return telemetry.Identity{Role: "agent"}
			})
			if err != nil {
				return err
			}
			return ended(log, "agent", runAgent(c.Context, cfg, log))
		},
	}
}
