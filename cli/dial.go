package cli

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/api/client"
)

// dial makes the client that the flags, the environment and the contexts ask
// for. It connects nowhere yet.
func dial(c *cli.Context, timeout time.Duration) (*client.Client, error) {
	target, err := resolve(c)
	if err != nil {
		return nil, err
	}
	cfg := client.DefaultConfig(target.Endpoints...)
	cfg.CallTimeout = timeout
	cfg.AttemptTimeout = timeout
	if len(target.Endpoints) > 1 {
		// One server that hangs must leave time for the others.
		cfg.AttemptTimeout = max(timeout/time.Duration(len(target.Endpoints)), time.Millisecond)
	}
	cfg.Token = target.Token
	cfg.UserAgent = "omnirelay-cli"
	if target.Identity != "" {
		if cfg.TLS, err = loadIdentity(target.Identity); err != nil {
			return nil, err
		}
	}
	mesh, err := client.New(cfg)
	if err != nil {
		return nil, usage("%s", strings.TrimPrefix(err.Error(), "client: "))
	}
	return mesh, tokenIsSafe(target)
}

// resolve puts the target together: a flag before a variable before a context.
func resolve(c *cli.Context) (Context, error) {
	f, err := loadContexts()
	if err != nil {
		return Context{}, err
	}
	var target Context
	name := c.String("context")
	if name == "" {
		name = f.Current
	}
	// A variable that is set to nothing is not set.
	if name != "" && (c.String("context") != "" || c.String("endpoint") == "") {
		if target, err = f.get(name); err != nil {
			return Context{}, err
		}
	}
	if endpoint := c.String("endpoint"); endpoint != "" {
		endpoints := strings.Split(endpoint, ",")
		if !sameMesh(target.Endpoints, endpoints) {
			target = f.credentialsFor(name, endpoints)
		}
		target.Endpoints = endpoints
	}
	if len(target.Endpoints) == 0 {
		return Context{}, usage("no server to talk to: give --endpoint URL, set OMNIRELAY_ENDPOINT, or choose a context (allowed: %s)", f.names())
	}
	if token := c.String("token"); token != "" {
		target.Token = token
	}
	if identity := c.String("identity"); identity != "" {
		target.Identity = identity
	}
	return target, nil
}

// credentialsFor finds the context that names one of the endpoints, the
// current one first. Credentials are never sent to a server that no context of
// theirs names: it may belong to somebody else.
func (f *contextFile) credentialsFor(current string, endpoints []string) Context {
	for _, name := range append([]string{current}, slices.Sorted(maps.Keys(f.Contexts))...) {
		if c := f.Contexts[name]; sameMesh(c.Endpoints, endpoints) {
			return c
		}
	}
	return Context{}
}

// sameMesh: each of the endpoints asked for must be known, or credentials of
// one mesh would go to another that stands beside it in the list.
func sameMesh(known, asked []string) bool {
	for _, endpoint := range asked {
		if !slices.ContainsFunc(known, func(k string) bool { return canonical(k) == canonical(endpoint) }) {
			return false
		}
	}
	return len(asked) > 0
}

func canonical(endpoint string) string {
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(endpoint), "/"))
	if err != nil {
		return endpoint
	}
	return strings.ToLower(u.Scheme + "://" + u.Host + u.Path)
}

// tokenIsSafe refuses to show a token to the network.
func tokenIsSafe(target Context) error {
	if target.Token == "" {
		return nil
	}
	for _, endpoint := range target.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme == "https" {
			continue
		}
		ip := net.ParseIP(u.Hostname())
		if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return usage("a token would cross the network unencrypted to %s (allowed: https://, or http:// on this machine)", endpoint)
		}
	}
	return nil
}

// loadIdentity reads the certificate that the CLI shows, and the authorities
// that it believes.
func loadIdentity(dir string) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, usage("--identity %s: %s (allowed: a directory with ca.pem, cert.pem and key.pem)", dir, err)
	}
	authorities, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, usage("--identity %s: %s (allowed: a directory with ca.pem, cert.pem and key.pem)", dir, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, usage("--identity %s: ca.pem has no certificate in it", dir)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool, MinVersion: tls.VersionTLS13}, nil
}
