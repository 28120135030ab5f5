package node

import (
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/control"
	"github.com/omnirelay/omnirelay/commands/membership"
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/commands/policy"
)

// introduce is what this server decides in its own first frame: genesis on an
// empty log, and what it says of itself, which decides nothing when the log
// says so already.
func introduce(cfg Config, version string) func(*model.Model) []commands.Request {
	actor := serverActor(cfg.Name)
	return func(m *model.Model) []commands.Request {
		var requests []commands.Request
		if m.Position == 0 {
			requests = append(requests,
				commands.Request{Actor: actor, Reason: "genesis", Command: control.StartEra{Cluster: cfg.Cluster}},
				commands.Request{Actor: actor, Reason: "genesis", Command: policy.SetSession{TTL: cfg.SessionTTL}},
			)
		}
		if m.Control.Sealed != 0 {
			return nil // what this server says of itself waits until the log is resumed
		}
		return append(requests, joinServer(cfg, version))
	}
}

// joinServer is what a server says of itself.
func joinServer(cfg Config, version string) commands.Request {
	return commands.Request{Actor: serverActor(cfg.Name), Reason: "server started",
		Command: membership.JoinServer{Node: membership.Descriptor{
			NodeID: cfg.Name, Role: membership.ServerRole, ClusterID: cfg.Cluster, Weight: 1, MeshVersion: version,
		}}}
}

// serverActor is who acts for a server.
func serverActor(name string) string { return "node/" + name }
