package harness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Group is some servers of a cluster: all of them, or those on one side of a
// partition.
type Group struct {
	c       *Cluster
	members []int
}

func without(all, some []int) []int {
	return slices.DeleteFunc(slices.Clone(all), func(i int) bool { return slices.Contains(some, i) })
}

// Servers are the numbers of the group's servers.
func (g Group) Servers() []int { return slices.Clone(g.members) }

// Live are those that run and are not paused.
func (g Group) Live() []int {
	return slices.DeleteFunc(g.Servers(), func(i int) bool {
		s := g.c.Server(i)
		return g.c.paused[i-1] || s.Process == nil || s.Ended()
	})
}

// URLs are the servers' own, around all proxies.
func (g Group) URLs() []string {
	var urls []string
	for _, i := range g.members {
		urls = append(urls, g.c.Server(i).URL())
	}
	return urls
}

// Endpoints are the URLs as --endpoint takes them.
func (g Group) Endpoints() string { return strings.Join(g.URLs(), ",") }

// Connect returns a client of the group that lives as long as the test.
func (g Group) Connect() *client.Client {
	g.c.t.Helper()
	return Connect(g.c.t, g.URLs()...)
}

// Connect returns a client of servers that lives as long as the test.
func Connect(t testing.TB, urls ...string) *client.Client {
	t.Helper()
	return connect(t, client.DefaultConfig().CallTimeout, urls...)
}

// connect returns a client whose calls without a deadline have this one. An
// attempt is short, so that a server that hangs costs little.
func connect(t testing.TB, within time.Duration, urls ...string) *client.Client {
	t.Helper()
	cfg := client.DefaultConfig(urls...)
	cfg.CallTimeout, cfg.AttemptTimeout = within, min(within, 2*time.Second)
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// AwaitReady waits until every live server says that it is ready.
func (g Group) AwaitReady() {
	g.c.t.Helper()
	for _, i := range g.Live() {
		g.c.Server(i).AwaitReady(g.c.t)
	}
}

// Status is how a server sees the mesh.
func (c *Cluster) Status(i int) (*controlv1.MeshStatus, error) {
	ctx, cancel := context.WithTimeout(context.Background(), statusWithin)
	defer cancel()
	s, err := c.clients[i-1].System.Status(ctx, &controlv1.GetStatusRequest{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Server(i).Name, err)
	}
	return s, nil
}

// number is that of a server's name; 0 if there is none.
func (c *Cluster) number(name string) int {
	return 1 + slices.IndexFunc(c.servers, func(s *Server) bool { return s.Name == name })
}

// Leader waits until all live servers name the same one, and returns its number.
func (g Group) Leader() int {
	g.c.t.Helper()
	return g.AwaitLeader()
}

// AwaitLeader waits until all live servers name the same leader, one of the
// group and none of these, and returns its number.
func (g Group) AwaitLeader(not ...int) int {
	g.c.t.Helper()
	leader := 0
	what := fmt.Sprintf("servers %v have one leader that is none of %v", g.members, not)
	Eventually(g.c.t, startWithin, what, func() (err error) {
		leader, err = g.leader()
		if err == nil && slices.Contains(not, leader) {
			err = fmt.Errorf("it is s%d", leader)
		}
		return err
	})
	return leader
}

// leader is whom all live servers name, or why they do not.
func (g Group) leader() (int, error) {
	named := ""
	for _, i := range g.Live() {
		s, err := g.c.Status(i)
		switch {
		case err != nil:
			return 0, err
		case s.GetLeader() == "":
			return 0, fmt.Errorf("s%d names no leader; it waits for %q", i, s.GetWaitingFor())
		case named != "" && named != s.GetLeader():
			return 0, fmt.Errorf("s%d names %s, another names %s", i, s.GetLeader(), named)
		}
		named = s.GetLeader()
	}
	n := g.c.number(named)
	if !slices.Contains(g.members, n) {
		return 0, fmt.Errorf("%q leads", named)
	}
	return n, nil
}

// MustNotAnswer checks that the group's live servers answer no command and no
// linearizable read: they have no quorum. Within is how long each may try.
func (g Group) MustNotAnswer(within time.Duration) {
	g.c.t.Helper()
	ctx, cancel := context.WithTimeout(g.c.t.Context(), within)
	defer cancel()
	var asking sync.WaitGroup
	for _, i := range g.Live() {
		c := g.c.Only(i).Connect()
		asking.Go(func() {
			r, err := c.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{
				Namespace: fmt.Sprintf("unanswered-%d-%s", i, unique()), ShardCount: 1, EligibleRole: nobody,
			})
			if err == nil {
				g.c.t.Errorf("A1: s%d has no quorum and acknowledged a command at position %d", i, r.GetPosition())
			}
		})
		asking.Go(func() {
			page, err := c.Namespaces.List(ctx, &controlv1.ListNamespacesRequest{
				Read: &controlv1.ReadOptions{Consistency: controlv1.Consistency_CONSISTENCY_LINEARIZABLE},
			})
			if err == nil {
				g.c.t.Errorf("s%d has no quorum and answered a linearizable read at position %d", i, page.Position)
			}
		})
	}
	asking.Wait()
}
