package natslog

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// embedded is the NATS server in this process. It can be stopped and started
// under a living connection: [embedded.InProcessConn] gives the server of the
// moment, where nats.InProcessServer would hold on to the first for ever.
type embedded struct {
	cfg Config

	// secret is what the connections of this process authenticate with. Nobody else
	// can connect: there is no listener for clients.
	secret string

	mu  sync.Mutex
	srv *server.Server // nil while stopped
}

// The users of a cluster's server. JetStream takes changes of its membership from
// the system account alone.
const (
	meshUser      = "mesh"
	systemUser    = "system"
	systemAccount = "$SYS"
)

func newEmbedded(cfg Config) *embedded {
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails, says its documentation
	return &embedded{cfg: cfg, secret: hex.EncodeToString(secret[:])}
}

// connect connects as a user to the server of the moment.
func (e *embedded) connect(user string, options ...nats.Option) (*nats.Conn, error) {
	options = append(options, nats.InProcessServer(e), nats.Name("omnirelay"))
	if e.cfg.clustered() {
		options = append(options, nats.UserInfo(user, e.secret))
	}
	conn, err := nats.Connect("", options...)
	if err != nil {
		return nil, fmt.Errorf("natslog: connect to the embedded server: %w", err)
	}
	return conn, nil
}

// serverMemory bounds what JetStream keeps in memory: the consumers of followers
// that are behind.
const serverMemory = 32 << 20

// storeSlack is what the server may use on disk beside the streams' own bounds.
const storeSlack = 64 << 20

// How the servers of a cluster find out that a connection between them is dead:
// a process that was stopped keeps its connections open.
const (
	routePing     = 500 * time.Millisecond
	routePings    = 3
	routeDeadline = 2 * time.Second
)

// options are made anew for each start, because the server changes them.
func (e *embedded) options() *server.Options {
	o := &server.Options{
		ServerName:             e.cfg.name(),
		DontListen:             true, // clients are in process only
		NoSigs:                 true, // signals are the process's
		JetStream:              true,
		StoreDir:               e.cfg.Dir,
		SyncAlways:             true, // an ack means on disk (A1)
		MaxPayload:             maxPayload,
		JetStreamMaxMemory:     serverMemory,
		JetStreamMaxStore:      e.cfg.MaxLogBytes + e.cfg.MaxRefusalBytes + authBytes + storeSlack,
		DisableJetStreamBanner: true,
	}
	if !e.cfg.clustered() {
		return o
	}
	host, port, _ := splitAddress(e.cfg.Route) // Validate has looked
	o.Cluster = server.ClusterOpts{
		Name: e.cfg.Cluster, Host: host, Port: port, Advertise: e.cfg.RouteAdvertise, NoAdvertise: true,
		PingInterval: routePing, MaxPingsOut: routePings, WriteDeadline: routeDeadline,
	}
	system := server.NewAccount(systemAccount)
	o.SystemAccount, o.Accounts = systemAccount, []*server.Account{system}
	o.Users = []*server.User{
		{Username: meshUser, Password: e.secret}, {Username: systemUser, Password: e.secret, Account: system},
	}
	for _, peer := range e.cfg.Peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: peer})
	}
	return o
}

func (e *embedded) start() error {
	log := &serverLog{log: e.cfg.logger().With("component", "nats")}
	srv, err := server.NewServer(e.options())
	if err != nil {
		return fmt.Errorf("natslog: embedded NATS server: %w", err)
	}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start() // recovers the streams before it returns
	if e.cfg.clustered() {
		// A server without a client listener waits for that listener before it opens
		// its routes, for ever (2.15.2, server.go). It counts the goroutine that
		// waits, and the call here stands for it when the server ends.
		listening := make(chan struct{})
		close(listening)
		srv.StartRouting(listening)
	}
	ready := srv.ReadyForConnections(e.cfg.StartTimeout)
	if fatal := log.fatal.Load(); fatal != nil {
		err = fatal
	} else if !ready || !e.cfg.clustered() && !srv.JetStreamEnabled() {
		// In a cluster it disables itself when it learns that it was taken out, which
		// the others say better: see checkPlace.
		err = fmt.Errorf("embedded NATS server in %s not ready after %s", e.cfg.Dir, e.cfg.StartTimeout)
	}
	if err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("natslog: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.srv = srv
	return nil
}

// stop returns when the server has written and closed its files.
func (e *embedded) stop() {
	e.mu.Lock()
	srv := e.srv
	e.srv = nil
	e.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// InProcessConn implements nats.InProcessConnProvider.
func (e *embedded) InProcessConn() (net.Conn, error) {
	srv := e.running()
	if srv == nil {
		return nil, fmt.Errorf("natslog: connect: %w", errStopped)
	}
	return srv.InProcessConn()
}

// errStopped: the embedded server is not running now.
var errStopped = errors.New("embedded NATS server is stopped")

// routes returns the NATS names of the servers that a route leads to.
func (e *embedded) routes() map[string]bool {
	up := map[string]bool{}
	srv := e.running()
	if srv == nil {
		return up
	}
	info, err := srv.Routez(nil)
	if err != nil {
		return up // it is ending
	}
	for _, r := range info.Routes {
		up[r.RemoteName] = true
	}
	return up
}

// running is the server of the moment; nil while it is stopped.
func (e *embedded) running() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv
}
