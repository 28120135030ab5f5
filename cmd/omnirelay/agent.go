package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/commands"
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
		config.String(&a.NodeID, "node-id", "id of this node, unique in the mesh").Required("a name such as n1").
			Check(nameAllowed, func() bool { return isName(a.NodeID) }),
		config.String(&a.Role, "role", "role of this node; namespaces are placed on one role").
			Check(nameAllowed, func() bool { return isName(a.Role) }).
			Check("any name but server, which is the control plane's", func() bool { return a.Role != "server" }),
		config.String(&a.Region, "region", "where this node is").
			Check(nameAllowed, func() bool { return a.Region == "" || isName(a.Region) }),
		config.String(&a.Zone, "zone", "where in the region this node is").
			Check(nameAllowed, func() bool { return a.Zone == "" || isName(a.Zone) }),
		config.Float(&a.Weight, "weight", "share of the load that this node takes, beside others").
			Check("0.001 to 100", func() bool { return a.Weight >= 0.001 && a.Weight <= 100 }),
		config.Pairs(&a.Labels, "label", "key=value, as often as needed").
			Check(fmt.Sprintf("at most %d labels; a key is %s; a value has at most %d bytes", commands.MaxLabels, nameAllowed, commands.MaxLabelValue), func() bool { return commands.CheckLabels("label", a.Labels) == nil }),
		config.String(&a.Data, "data", "directory of the session's secret and of what was released").Required("a directory"),
		config.Duration(&a.TakeoverWait, "takeover-wait", "how long to wait while another process has the node id").
			Check("0s or more", func() bool { return a.TakeoverWait >= 0 }),
		config.Duration(&a.LeaveSilence, "leave-silence", "how long to go on leaving at the end while no server answers, 10s at most").
			Check("1ms to 10s", func() bool { return a.LeaveSilence >= time.Millisecond && a.LeaveSilence <= 10*time.Second }),
	}, node.LogSettings(&a.Log)...)...)
}

const nameAllowed = "1 to 128 of a-z A-Z 0-9 . _ -, beginning with a letter or digit"

// isName: the mesh would refuse another, after the agent has started.
func isName(s string) bool { return commands.CheckName("name", s) == nil }

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
