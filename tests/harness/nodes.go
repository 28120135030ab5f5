package harness

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/ops/node"
)

// Nodes are servers of one cluster in this process, joined by wires, each with a
// wall clock that can be set. For what a process cannot be asked for: clocks, and a
// debugger. Servers are numbered from 1.
type Nodes struct {
	Faults // between them

	t     testing.TB
	nodes []*inProcess // number i is at i-1
}

type inProcess struct {
	cfg   node.Config
	skew  Skew
	stop  context.CancelFunc // nil while it does not run
	ended chan error
	ready chan string
}

// StartNodes starts n servers in this process and waits until all are ready.
func StartNodes(t testing.TB, n int, ttl time.Duration) *Nodes {
	t.Helper()
	var routes []string
	for range n {
		routes = append(routes, FreeAddress(t))
	}
	w := NewWires(t, routes...)
	c := &Nodes{Faults: w.Faults, t: t}
	dir := t.TempDir()
	for i := 1; i <= n; i++ {
		cfg := node.DefaultConfig()
		cfg.Name, cfg.Data, cfg.HTTP, cfg.Insecure, cfg.SessionTTL = fmt.Sprintf("s%d", i), filepath.Join(dir, fmt.Sprint(i)), FreeAddress(t), true, ttl
		if n > 1 {
			cfg.Route, cfg.Peers, cfg.RouteAdvertise = routes[i-1], w.Peers(i), w.Advertised(i)
		}
		c.nodes = append(c.nodes, &inProcess{cfg: cfg})
		c.Start(i)
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.Stop(i + 1)
		}
	})
	c.AwaitReady()
	return c
}

// Start starts a server and waits for nothing.
func (c *Nodes) Start(i int) {
	x := c.nodes[i-1]
	ctx, cancel := context.WithCancel(context.Background())
	x.stop, x.ended, x.ready = cancel, make(chan error, 1), make(chan string, 1)
	go func() {
		x.ended <- node.Run(ctx, x.cfg, node.Options{
			Version: "test", Logger: slog.New(slog.DiscardHandler), Clock: x.skew.Clock(), OnReady: func(at string) { x.ready <- at },
		})
	}()
}

// Stop stops a server as SIGTERM would.
func (c *Nodes) Stop(i int) {
	c.t.Helper()
	x := c.nodes[i-1]
	if x.stop == nil {
		return
	}
	x.stop()
	x.stop = nil
	if err := <-x.ended; err != nil {
		c.t.Errorf("server %d ended: %v", i, err)
	}
}

// AwaitReady waits until all that run are ready.
func (c *Nodes) AwaitReady() {
	c.t.Helper()
	for i, x := range c.nodes {
		if x.stop == nil {
			continue
		}
		select {
		case at := <-x.ready:
			x.ready <- at
		case err := <-x.ended:
			c.t.Fatalf("server %d ended before it was ready: %v", i+1, err)
		case <-time.After(startWithin):
			c.t.Fatalf("server %d is not ready within %s", i+1, startWithin)
		}
	}
}

// Skew is the wall clock of a server.
func (c *Nodes) Skew(i int) *Skew { return &c.nodes[i-1].skew }

// Connect returns a client of some servers, of all without numbers.
func (c *Nodes) Connect(numbers ...int) *client.Client {
	c.t.Helper()
	return Connect(c.t, c.URLs(numbers...)...)
}

// URLs are those of some servers, of all without numbers.
func (c *Nodes) URLs(numbers ...int) []string {
	var urls []string
	for i, x := range c.nodes {
		if len(numbers) == 0 || slices.Contains(numbers, i+1) {
			urls = append(urls, "http://"+x.cfg.HTTP)
		}
	}
	return urls
}

// Leader is the number of the server that leads.
func (c *Nodes) Leader() int {
	c.t.Helper()
	leader := 0
	Eventually(c.t, startWithin, "somebody leads", func() error {
		s, err := c.Connect().System.Status(c.t.Context(), &controlv1.GetStatusRequest{})
		if err != nil {
			return err
		}
		_, err = fmt.Sscanf(s.GetLeader(), "s%d", &leader)
		return err
	})
	return leader
}
