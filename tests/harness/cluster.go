package harness

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
)

// statusWithin bounds one look at a server: one that is paused or gone answers
// nothing.
const statusWithin = 2 * time.Second

// Cluster is a control plane of several servers. Servers are named by their
// number: 1 is s1. Its methods are for the goroutine of the test.
type Cluster struct {
	Group  // all servers
	*Wires // between them

	t       testing.TB
	dir     string
	servers []*Server        // number i is at i-1
	clients []*client.Client // of each server alone
	paused  []bool
	disks   []*Disk   // nil where the disk is not small
	access  []*Access // of agents and members
	trace   *Trace
}

// Option changes a cluster before its servers start.
type Option func(*Cluster)

// WithSessionTTL is the first value of the session policy.
func WithSessionTTL(ttl time.Duration) Option { return WithArgs("--session-ttl", ttl.String()) }

// WithArgs gives every server more flags.
func WithArgs(args ...string) Option {
	return func(c *Cluster) {
		for _, s := range c.servers {
			s.args = append(s.args, args...)
		}
	}
}

// WithSmallDisk gives a server a file system of its own, of a size as tmpfs
// takes it. The test is skipped where this process may not mount one.
func WithSmallDisk(i int, size string) Option {
	return func(c *Cluster) {
		d := SmallDisk(c.t, size)
		c.disks[i-1], c.servers[i-1].Data = d, filepath.Join(d.Dir, "data")
	}
}

// StartCluster starts n servers and waits until all are ready.
func StartCluster(t testing.TB, n int, options ...Option) *Cluster {
	t.Helper()
	c := &Cluster{
		t: t, dir: t.TempDir(), trace: &Trace{},
		paused: make([]bool, n), disks: make([]*Disk, n),
	}
	c.Group = Group{c: c}
	routes := make([]string, n)
	for i := range n {
		name := fmt.Sprintf("s%d", i+1)
		c.members = append(c.members, i+1)
		c.servers = append(c.servers, &Server{Name: name, Data: filepath.Join(c.dir, name), Address: FreeAddress(t)})
		routes[i] = FreeAddress(t)
	}
	c.Wires = NewWires(t, routes...)
	for i, s := range c.servers {
		if n > 1 { // a single server has no routes
			s.args = []string{"--route", routes[i], "--peers", strings.Join(c.Peers(i+1), ","), "--route-advertise", c.Advertised(i + 1)}
		}
		c.clients = append(c.clients, connect(t, statusWithin, s.URL()))
	}
	for _, option := range options {
		option(c)
	}
	for _, s := range c.servers {
		s.Launch(t)
	}
	c.AwaitReady()
	return c
}

// Server is the server of a number.
func (c *Cluster) Server(i int) *Server { return c.servers[i-1] }

// Disk is the small disk of a server.
func (c *Cluster) Disk(i int) *Disk { return c.disks[i-1] }

// Only is some of the servers, for what is to be asked of them alone.
func (c *Cluster) Only(servers ...int) Group { return Group{c: c, members: servers} }

// Except is all servers but some.
func (c *Cluster) Except(servers ...int) Group {
	return Group{c: c, members: without(c.members, servers)}
}
