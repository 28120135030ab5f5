package node_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/omnirelay/omnirelay/ops/config"
	"github.com/omnirelay/omnirelay/ops/node"
)

func TestSettingsOfAServer(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags map[string][]string
		key   string // of the only problem, empty for none
		says  string
	}{
		{"loopback", map[string][]string{"insecure": {"true"}}, "", ""},
		{"localhost", map[string][]string{"insecure": {"true"}, "http": {"localhost:0"}}, "", ""},
		{"IPv6 loopback", map[string][]string{"insecure": {"true"}, "http": {"[::1]:8080"}}, "", ""},
		{"without --insecure", nil, "insecure", "no certificates"},
		{"everywhere", map[string][]string{"insecure": {"true"}, "http": {":8080"}}, "http", "loopback"},
		{"a real address", map[string][]string{"insecure": {"true"}, "http": {"192.0.2.1:8080"}}, "http", "loopback"},
		{"a name that is looked up", map[string][]string{"insecure": {"true"}, "http": {"example.com:80"}}, "http", "loopback"},
		{"no port", map[string][]string{"insecure": {"true"}, "http": {"127.0.0.1"}}, "http", "HOST:PORT"},
		{"no such port", map[string][]string{"insecure": {"true"}, "http": {"127.0.0.1:99999"}}, "http", "0 to 65535"},
		{"several peers", map[string][]string{"insecure": {"true"}, "peers": {"127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"}}, "peers", "--route"},
		{"itself as peer", map[string][]string{"insecure": {"true"}, "peers": {"127.0.0.1:1"}, "route": {"127.0.0.1:1"}}, "", ""},
		{"another as peer", map[string][]string{"insecure": {"true"}, "peers": {"127.0.0.1:1"}, "route": {"127.0.0.1:2"}}, "peers", "--route"},
		{"route elsewhere", map[string][]string{"insecure": {"true"}, "route": {"10.0.0.1:6222"}}, "route", "loopback"},
		{"TTL too short", map[string][]string{"insecure": {"true"}, "session-ttl": {"10ms"}}, "session-ttl", "500ms to 1h"},
		{"name with a space", map[string][]string{"insecure": {"true"}, "name": {"s 1"}}, "name", "a-z"},
		{"cluster with a dot", map[string][]string{"insecure": {"true"}, "cluster": {"c.1"}}, "cluster", "letters, digits and hyphens"},
		{"level", map[string][]string{"insecure": {"true"}, "log-level": {"loud"}}, "log-level", "debug"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := node.DefaultConfig()
			err := node.Settings(&cfg).Load(config.Sources{Flags: c.flags})
			if c.key == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var all *config.Error
			if !errors.As(err, &all) || len(all.Problems) != 1 || all.Problems[0].Key != c.key || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v; want one about %s that says %q", err, c.key, c.says)
			}
		})
	}
}
