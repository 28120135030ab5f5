package natslog

import (
	"maps"
	"slices"
	"time"
)

// Routed tells whether a connection leads to a server now. A server that was
// killed loses it at once, one that was stopped after some seconds.
func (l *Link) Routed(server string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return server == l.name || l.up[server] != ""
}

// reachable are the other servers that a route leads to now.
func (l *Link) reachable() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name := range l.up {
		if name != l.name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// routesEvery is how often the routes are looked at: nats-server tells nobody in
// its process that one is gone.
const routesEvery = 25 * time.Millisecond

// watchRoutes ends the requests to servers whose route is gone.
func (l *Link) watchRoutes() {
	tick := time.NewTicker(routesEvery)
	defer tick.Stop()
	for {
		l.see(l.s.server.Routes())
		select {
		case <-tick.C:
		case <-l.s.closing:
			return
		}
	}
}

// see takes the NATS names that routes lead to now. Of two that have one server's
// name the first that was seen is that server, for as long as it is there.
func (l *Link) see(routes map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	up := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		if server := plainName(name); up[server] == "" || l.up[server] == name {
			up[server] = name
		}
	}
	for server, asks := range l.asks {
		if up[server] == l.up[server] {
			continue
		}
		for _, cancel := range asks {
			cancel(ErrServerLost)
		}
		delete(l.asks, server)
	}
	for server := range up {
		if l.up[server] == "" {
			l.s.cfg.logger().Info("connected to server", "server", server)
		}
	}
	for server := range l.up {
		if up[server] == "" {
			l.s.cfg.logger().Warn("connection to server lost", "server", server)
		}
	}
	l.up = up
}
