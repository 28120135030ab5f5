package client

import (
	"net/url"

	"connectrpc.com/connect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Client talks to one mesh. Its methods may be called from many goroutines.
type Client struct {
	cfg       Config
	transport *transport
	endpoints *endpoints
	seen      *seen

	Peers      *Peers
	Leaders    *Leaders
	Namespaces *Namespaces
	Schedules  *Schedules
	Shards     *Shards
	Log        *Log
	Sessions   *Sessions
	System     *System
	Commands   *Commands

	Maintenance *Maintenance
}

// New makes a client; it connects with its first call.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	urls := make([]*url.URL, len(cfg.Endpoints))
	for i, s := range cfg.Endpoints {
		u, err := parseEndpoint(s)
		if err != nil {
			return nil, err
		}
		urls[i] = u
	}
	t := newTransport(cfg)
	options := []connect.ClientOption{
		// Messages are small: compressing them costs more than it saves, a
		// quarter of the throughput.
		connect.WithAcceptCompression("gzip", nil, nil),
	}
	c := &Client{cfg: cfg, transport: t, endpoints: newEndpoints(urls, cfg.BackoffMax), seen: &seen{}}
	c.Peers = &Peers{c: c, rpc: controlv1.NewPeerControlServiceClient(t, base, options...)}
	c.Leaders = &Leaders{c: c, rpc: controlv1.NewLeadershipControlServiceClient(t, base, options...)}
	c.Namespaces = &Namespaces{c: c, rpc: controlv1.NewNamespaceControlServiceClient(t, base, options...)}
	c.Schedules = &Schedules{c: c, rpc: controlv1.NewScheduleControlServiceClient(t, base, options...)}
	c.Shards = &Shards{c: c, rpc: controlv1.NewShardControlServiceClient(t, base, options...)}
	c.Log = &Log{c: c, rpc: controlv1.NewLogServiceClient(t, base, options...)}
	c.Sessions = &Sessions{c: c, rpc: controlv1.NewSessionServiceClient(t, base, options...)}
	c.System = &System{c: c, rpc: controlv1.NewSystemServiceClient(t, base, options...)}
	c.Commands = &Commands{c: c, rpc: controlv1.NewCommandServiceClient(t, base, options...)}
	c.Maintenance = &Maintenance{c: c, rpc: controlv1.NewMaintenanceControlServiceClient(t, base, options...)}
	return c, nil
}

// Close drops idle connections. Calls in flight end by their own contexts.
func (c *Client) Close() { c.transport.close() }

// Endpoint returns the base URL that the next call goes to.
func (c *Client) Endpoint() string { return c.endpoints.pick().url.String() }

// LastPosition returns the log ("<cluster>.<era>") of the last answer, and the
// highest position that an answer of that log was given at. Zero before the
// first answer. A read with this as its minPosition sees all that this client
// has seen, on any server.
func (c *Client) LastPosition() (log string, position int64) { return c.seen.get() }
