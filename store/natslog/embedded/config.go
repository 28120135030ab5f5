package embedded

import (
	"log/slog"
	"time"
)

// Config says what a server is called, where it keeps its files and whom it is with.
type Config struct {
	// Name of the server, one of a cluster's; Cluster is the name of that.
	Name, Cluster string
	// Dir is where it keeps its files, MaxStore how many bytes they may have.
	Dir      string
	MaxStore int64
	// MaxPayload bounds a message, in bytes.
	MaxPayload int32
	// Peers are the route addresses of all servers of a cluster, HOST:PORT, this one's
	// included; without any this is a single server.
	Peers []string
	// RouteHost and RoutePort are where it listens for the other servers. They tell
	// each other RouteAdvertise for it, "" is the same.
	RouteHost      string
	RoutePort      int
	RouteAdvertise string
	// StockTiming leaves the raft timing as nats-server has it; see timing.go.
	StockTiming bool
	// StartTimeout bounds the wait until the server is ready.
	StartTimeout time.Duration
	Logger       *slog.Logger
}

func (c Config) clustered() bool { return len(c.Peers) > 0 }
