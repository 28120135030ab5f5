package node

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/policy"
	"github.com/omnirelay/omnirelay/ops/config"
	"github.com/omnirelay/omnirelay/ops/telemetry"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// Config of a server.
type Config struct {
	// Name of the server and of its cluster.
	Name    string
	Cluster string
	// Data is the directory; see the package comment.
	Data string
	// HTTP is the address of the API.
	HTTP string
	// SessionTTL is the first value of the policy; it counts at genesis only.
	SessionTTL time.Duration
	// Insecure serves plaintext without identity, on loopback only.
	Insecure bool
	// Route is the address for other servers, Peers those of all servers; with
	// fewer than three this is a single server. RouteAdvertise is what servers tell
	// each other of this one's address, "" is Route.
	Route          string
	Peers          []string
	RouteAdvertise string
	// Grow copies the sealed log of a single server, in Data, into a new cluster.
	Grow bool
	// Reseed is the id of the directory in Data that is to be given up.
	Reseed string
	// RaftTiming is FastTiming or StockTiming.
	RaftTiming string
	Log        telemetry.LogConfig
}

// The timings of elections among the log's replicas.
const (
	FastTiming  = "fast"
	StockTiming = "stock"
)

// clustered tells whether this is one of several servers.
func (c Config) clustered() bool { return len(c.Peers) > 1 }

// DefaultConfig is a single server on loopback.
func DefaultConfig() Config {
	return Config{
		Name: "s1", Cluster: "c1", Data: "data", HTTP: "127.0.0.1:8080",
		SessionTTL: policy.DefaultSessionTTL, RaftTiming: FastTiming, Log: telemetry.DefaultLogConfig(),
	}
}

// Settings is the table that fills a Config.
func Settings(c *Config) *config.Table {
	return config.NewTable(append([]*config.Setting{
		config.String(&c.Name, "name", "name of this server, unique in its cluster").
			Check(nameAllowed, func() bool { return commands.CheckName("name", c.Name) == nil }),
		config.String(&c.Cluster, "cluster", "name of the cluster").
			Check("1 to 63 letters, digits and hyphens", func() bool {
				return commands.CheckName("cluster", c.Cluster) == nil && natslog.DefaultConfig("x", c.Cluster).Validate() == nil
			}),
		config.String(&c.Data, "data", "directory of the log and all else that is kept").Required("a directory"),
		config.String(&c.HTTP, "http", "address of the API, REST and the event streams").
			Check("HOST:PORT, the port 0 to 65535", func() bool { return isAddress(c.HTTP) }).
			Check("an address of this machine's loopback, such as 127.0.0.1:8080, because --insecure serves without encryption and identity",
				func() bool { return !c.Insecure || IsLoopback(c.HTTP) }),
		config.Duration(&c.SessionTTL, "session-ttl", "first value of the session policy: how long a silent node keeps what it owns").
			Check(policy.MinSessionTTL.String()+" to "+policy.MaxSessionTTL.String(), func() bool {
				return c.SessionTTL >= policy.MinSessionTTL && c.SessionTTL <= policy.MaxSessionTTL
			}),
		config.Bool(&c.Insecure, "insecure", "plaintext without identity, loopback addresses only").
			Check("true; this release has no certificates yet, so that it serves only with --insecure and only on loopback",
				func() bool { return c.Insecure }),
		config.String(&c.Route, "route", "address for the other servers of the cluster").
			Check("HOST:PORT on loopback, or nothing", func() bool { return c.Route == "" || isAddress(c.Route) && IsLoopback(c.Route) }),
		config.Strings(&c.Peers, "peers", "route addresses of all servers, this one included").
			Check("none or one for a single server, 3 or 5 for a cluster", func() bool {
				return slices.Contains([]int{0, 1, 3, 5}, len(c.Peers))
			}).
			Check("HOST:PORT on loopback each, no two the same", func() bool {
				seen := map[string]bool{}
				for _, p := range c.Peers {
					if !isAddress(p) || !IsLoopback(p) || seen[p] {
						return false
					}
					seen[p] = true
				}
				return true
			}).
			Check("a list with the address of --route", func() bool {
				return len(c.Peers) == 0 || len(c.Peers) == 1 && c.Route == "" || slices.Contains(c.Peers, c.Route)
			}),
		config.String(&c.RouteAdvertise, "route-advertise", "address that servers tell each other for this one; without it that of --route").
			Check("HOST:PORT on loopback, or nothing", func() bool {
				return c.RouteAdvertise == "" || isAddress(c.RouteAdvertise) && IsLoopback(c.RouteAdvertise)
			}),
		config.Bool(&c.Grow, "grow", "copy the sealed log in --data, of a single server until now, into the new cluster of --peers").
			Check("false without the --peers of a cluster", func() bool { return !c.Grow || c.clustered() }),
		config.String(&c.Reseed, "reseed", "give up what --data holds, if its id is this one, and get a new copy of the log from the other servers").
			Check("the id of a data directory, 8 hexadecimal digits, as identity.json and the last line of a server that failed have it", func() bool {
				return c.Reseed == "" || regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(c.Reseed)
			}).
			Check("nothing without the --peers of a cluster, and nothing beside --grow", func() bool {
				return c.Reseed == "" || c.clustered() && !c.Grow
			}),
		config.String(&c.RaftTiming, "raft-timing", "how soon the log's replicas miss their leader: fast is half a second to one, stock is nats-server's 4 to 9").
			Check(FastTiming+", "+StockTiming, func() bool { return c.RaftTiming == FastTiming || c.RaftTiming == StockTiming }),
	}, LogSettings(&c.Log)...)...)
}

// LogSettings are the settings of log lines, the same for every process.
func LogSettings(c *telemetry.LogConfig) []*config.Setting {
	return []*config.Setting{
		config.String(&c.Format, "log-format", "text or json").
			Check("text, json", func() bool { return c.Format == "text" || c.Format == "json" }),
		config.String(&c.Level, "log-level", "debug, info, warn or error; component=level after a comma").
			Check("debug, info, warn, error, and component=level after a comma", func() bool {
				return new(telemetry.Levels).Set(c.Level) == nil
			}),
	}
}

const nameAllowed = "1 to 128 of a-z A-Z 0-9 . _ -, beginning with a letter or digit"

func isAddress(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// IsLoopback tells whether only this machine can reach an address. A name other
// than localhost is not looked up: it may point elsewhere tomorrow.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !isAddress(address) {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
