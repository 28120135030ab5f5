package harness

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// Access is how a node reaches the servers: each by a proxy of its own.
type Access struct {
	wires []*faultproxy.Proxy // server i is behind i-1
}

// newAccess reaches some servers; none named are all.
func (c *Cluster) newAccess(reach []int) *Access {
	a := &Access{}
	for i, s := range c.servers {
		a.wires = append(a.wires, listenBy(c.t, s.Address, c.dials[i]))
	}
	a.Reach(reach...)
	c.access = append(c.access, a)
	return a
}

// Reach changes which servers the node reaches; none named are all. What goes to
// the others vanishes.
func (a *Access) Reach(servers ...int) {
	for i, wire := range a.wires {
		if len(servers) == 0 || slices.Contains(servers, i+1) {
			wire.Heal()
		} else {
			wire.SetBoth(faultproxy.Fault{Cut: true})
		}
	}
}

// Isolate cuts the node off from all servers.
func (a *Access) Isolate() {
	for _, wire := range a.wires {
		wire.SetBoth(faultproxy.Fault{Cut: true})
	}
}

// URLs are those of all servers, as the node knows them.
func (a *Access) URLs() []string {
	var urls []string
	for _, wire := range a.wires {
		urls = append(urls, "http://"+wire.Addr())
	}
	return urls
}

// Agent is an `omnirelay agent` behind proxies.
type Agent struct {
	*Process
	*Access
}

// StartAgent starts an `omnirelay agent` that knows all servers and reaches
// some; none named are all. The same node started again has its directory.
func (c *Cluster) StartAgent(node string, reach ...int) *Agent {
	c.t.Helper()
	a := c.newAccess(reach)
	return &Agent{Access: a, Process: Start(c.t, node, "agent", "--insecure", "--node-id", node,
		"--endpoint", strings.Join(a.URLs(), ","), "--data", filepath.Join(c.dir, "nodes", node))}
}
