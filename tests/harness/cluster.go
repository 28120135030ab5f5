package harness

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// statusWithin bounds one look at a server: one that is paused or gone answers
// nothing.
const statusWithin = 2 * time.Second

// Cluster is a control plane of several servers. Servers are named by their
// number: 1 is s1. Its methods are for the goroutine of the test.
type Cluster struct {
	Group  // all servers
	Faults // between them

	t       testing.TB
	dir     string
	servers []*Server         // number i is at i-1
	dials   []faultproxy.Dial // how a server's address is reached
	clients []*client.Client  // of each server alone
	paused  []bool
	disks   map[int]*Disk // those that are small
	access  []*Access     // of agents and members
	trace   *Trace
}

// Option says how a cluster is to be.
type Option func(*plan)

type plan struct {
	args  []string
	disks map[int]string // sizes
	hosts bool
	grown *Server // whose directory is that of the first
}

// WithSessionTTL is the first value of the session policy.
func WithSessionTTL(ttl time.Duration) Option { return WithArgs("--session-ttl", ttl.String()) }

// WithArgs gives every server more flags.
func WithArgs(args ...string) Option {
	return func(p *plan) { p.args = append(p.args, args...) }
}

// WithSmallDisk gives a server a file system of its own, of a size as tmpfs
// takes it. The test is skipped where this process may not mount one.
func WithSmallDisk(i int, size string) Option {
	return func(p *plan) { p.disks[i] = size }
}

// WithGrown makes the first server of a single one that has ended, by --grow.
func WithGrown(single *Server) Option {
	return func(p *plan) { p.grown = single }
}

// WithHosts gives each server a host of its own, joined by a switch, in place of
// wires: see [Hosts]. Nodes and clients reach them from outside, as without it.
func WithHosts() Option {
	return func(p *plan) { p.hosts = true }
}

// StartCluster starts n servers and waits until all are ready.
func StartCluster(t testing.TB, n int, options ...Option) *Cluster {
	t.Helper()
	p := plan{disks: map[int]string{}}
	for _, option := range options {
		option(&p)
	}
	c := &Cluster{t: t, dir: t.TempDir(), trace: &Trace{}, paused: make([]bool, n), disks: map[int]*Disk{}}
	c.Group = Group{c: c}
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("s%d", i)
		c.members = append(c.members, i)
		c.servers = append(c.servers, &Server{Name: name, Data: filepath.Join(c.dir, name)})
	}
	for i, size := range p.disks {
		d := SmallDisk(t, size)
		c.disks[i], c.Server(i).Data = d, filepath.Join(d.Dir, "data")
	}
	if p.hosts {
		c.onHosts()
	} else {
		c.byWires()
	}
	if p.grown != nil {
		first := c.Server(1)
		first.Data, first.args = p.grown.Data, append(first.args, "--grow")
	}
	for _, s := range c.servers {
		s.args = append(s.args, p.args...)
		c.clients = append(c.clients, connect(t, statusWithin, s.URL()))
		s.Launch(t)
	}
	c.AwaitReady()
	return c
}

// byWires lets the servers reach each other by wires.
func (c *Cluster) byWires() {
	c.t.Helper()
	routes := make([]string, len(c.servers))
	for i := range routes {
		routes[i] = FreeAddress(c.t)
	}
	w := NewWires(c.t, routes...)
	c.Faults = w.Faults
	for i, s := range c.servers {
		s.Address = FreeAddress(c.t)
		c.dials = append(c.dials, (&net.Dialer{}).DialContext)
		if len(routes) > 1 { // a single server has no routes
			s.args = []string{"--route", routes[i], "--peers", strings.Join(w.Peers(i+1), ","), "--route-advertise", w.Advertised(i + 1)}
		}
	}
}

// onHosts puts each server on a host.
func (c *Cluster) onHosts() {
	c.t.Helper()
	h := NewHosts(c.t, len(c.servers))
	c.Faults = h.Faults
	var routes []string
	for i := range c.servers {
		routes = append(routes, h.Address(i+1, 6222))
	}
	for i, s := range c.servers {
		s.Address = h.Address(i+1, 8080)
		s.enter = func() error { return h.enter(i + 1) }
		c.dials = append(c.dials, h.Dial(i+1))
		s.outside = listenBy(c.t, s.Address, h.Dial(i+1)).Addr()
		if len(routes) > 1 {
			s.args = []string{"--route", routes[i], "--peers", strings.Join(routes, ",")}
		}
	}
}

// Server is the server of a number.
func (c *Cluster) Server(i int) *Server { return c.servers[i-1] }

// Disk is the small disk of a server.
func (c *Cluster) Disk(i int) *Disk { return c.disks[i] }

// Only is some of the servers, for what is to be asked of them alone.
func (c *Cluster) Only(servers ...int) Group { return Group{c: c, members: servers} }

// Except is all servers but some.
func (c *Cluster) Except(servers ...int) Group {
	return Group{c: c, members: without(c.members, servers)}
}
