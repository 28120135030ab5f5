package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Protocol says which HTTP an endpoint with http:// is spoken to. An https://
// endpoint negotiates.
type Protocol int

const (
	// ProtocolMixed takes HTTP/1.1 for unary calls, which cost both ends less
	// there, and HTTP/2 without TLS, with prior knowledge, for streams. Unary
	// calls use a connection each while they last, at most 256 to a server; more
	// wait for one.
	ProtocolMixed Protocol = iota
	// ProtocolH2C is HTTP/2 alone: one connection for everything.
	ProtocolH2C
	// ProtocolHTTP1 has no bidirectional streams; Commander and Lookuper fall
	// back to batches.
	ProtocolHTTP1
)

// Config says whom to talk to and how long to try. Start from DefaultConfig.
type Config struct {
	// Endpoints are the base URLs of servers of one mesh: http or https.
	Endpoints []string
	// Token is sent as a bearer token; empty sends none.
	Token string
	// TLS is used for https:// endpoints; nil means the system's roots.
	TLS *tls.Config
	// Protocol for http:// endpoints.
	Protocol Protocol
	// Log, when not empty, pins the mesh: "<cluster>.<era>". A server of
	// another log answers log_mismatch.
	Log string
	// UserAgent is put before the RPC library's own; may be empty.
	UserAgent string

	// CallTimeout bounds a call whose context has no deadline.
	CallTimeout time.Duration
	// AttemptTimeout bounds one attempt, so that a server that hangs does not
	// use up the whole call.
	AttemptTimeout time.Duration
	// DialTimeout bounds connecting.
	DialTimeout time.Duration
	// BackoffMin and BackoffMax bound the wait between rounds over all
	// endpoints; it doubles from round to round, and half of it is jitter.
	BackoffMin, BackoffMax time.Duration
	// PingAfter is the silence on an HTTP/2 connection after which it is
	// probed; it is dropped when the probe stays unanswered as long again.
	PingAfter time.Duration
}

// DefaultConfig is right for servers in reach of a local network.
func DefaultConfig(endpoints ...string) Config {
	return Config{
		Endpoints:      endpoints,
		CallTimeout:    10 * time.Second,
		AttemptTimeout: 5 * time.Second,
		DialTimeout:    2 * time.Second,
		BackoffMin:     20 * time.Millisecond,
		BackoffMax:     250 * time.Millisecond,
		PingAfter:      3 * time.Second,
	}
}

// Validate names the first field that is wrong and what it may be.
func (c Config) Validate() error {
	if len(c.Endpoints) == 0 {
		return errors.New("client: Endpoints is empty (allowed: one or more base URLs, for example http://127.0.0.1:8080)")
	}
	for _, e := range c.Endpoints {
		if _, err := parseEndpoint(e); err != nil {
			return err
		}
	}
	if c.Protocol < ProtocolMixed || c.Protocol > ProtocolHTTP1 {
		return fmt.Errorf("client: Protocol is %d (allowed: ProtocolMixed, ProtocolH2C, ProtocolHTTP1)", c.Protocol)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"CallTimeout", c.CallTimeout},
		{"AttemptTimeout", c.AttemptTimeout},
		{"DialTimeout", c.DialTimeout},
		{"BackoffMin", c.BackoffMin},
		{"PingAfter", c.PingAfter},
	} {
		if d.value <= 0 {
			return fmt.Errorf("client: %s is %s (allowed: more than 0)", d.name, d.value)
		}
	}
	if c.BackoffMax < c.BackoffMin {
		return fmt.Errorf("client: BackoffMax is %s (allowed: at least BackoffMin, %s)", c.BackoffMax, c.BackoffMin)
	}
	return nil
}

func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(s, "/"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("client: endpoint %q is no base URL (allowed: http://HOST:PORT or https://HOST:PORT)", s)
	}
	return u, nil
}
