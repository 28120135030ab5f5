package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"

	"github.com/omnirelay/omnirelay/ops/node"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// servers are the settings of each server: s1 with the address of --http, others
// with free ports. Ports may be others in each run: a server is known by its
// name and its directory.
func (d *devConfig) servers(root string) ([]node.Config, error) {
	if err := d.makeDirectories(root); err != nil {
		return nil, err
	}
	var routes []string
	if d.Servers > 1 {
		var err error
		if routes, err = freeRoutes(d.Servers); err != nil {
			return nil, err
		}
	}
	var servers []node.Config
	for i := range d.Servers {
		s := d.server
		s.Name, s.Data = serverName(i), filepath.Join(root, serverName(i))
		if i > 0 {
			s.HTTP = "127.0.0.1:0"
		}
		if routes != nil {
			s.Route, s.Peers = routes[i], routes
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func serverName(i int) string { return fmt.Sprintf("s%d", i+1) }

// makeDirectories makes the servers' directories, the last one first, so that
// s1 alone means one server also after a start that was cut short. It refuses
// those of another number of servers.
func (d *devConfig) makeDirectories(root string) error {
	used := 0
	for i, servers := range []int{1, 3, 3} {
		_, err := os.Stat(filepath.Join(root, serverName(i)))
		switch {
		case err == nil:
			used = servers
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("data directory: %w", err)
		}
	}
	if used != 0 && used != d.Servers {
		return fmt.Errorf("%w: %s has the mesh of --servers %d, and --servers is %d (allowed: --servers %d, or another --data)",
			natslog.ErrOtherKind, root, used, d.Servers, used)
	}
	for i := d.Servers - 1; i >= 0; i-- {
		if err := os.MkdirAll(filepath.Join(root, serverName(i)), 0o700); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	return nil
}

// Where ports for routes are looked for: below those that the kernel gives to
// outgoing connections, one of which could else have it before the server does.
const (
	routePorts     = 10_000
	routePortsEnd  = 32_000
	routePortTries = 1_000
)

// freeRoutes are loopback addresses that nobody listens on. Somebody may a moment
// later; the server then says so and ends.
func freeRoutes(n int) (routes []string, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for range routePortTries {
		l, listenErr := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", routePorts+rand.IntN(routePortsEnd-routePorts)))
		if listenErr != nil {
			err = listenErr
			continue
		}
		held, routes = append(held, l), append(routes, l.Addr().String())
		if len(routes) == n {
			return routes, nil
		}
	}
	return nil, fmt.Errorf("no free ports for routes: %w", err)
}
