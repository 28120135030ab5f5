package embedded

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

// Server can be stopped and started under a living connection: [Server.InProcessConn]
// gives the nats-server of the moment, where nats.InProcessServer would hold on to the
// first for ever.
type Server struct {
	cfg Config

	// secret is what the connections of this process authenticate with. Nobody else
	// can connect: there is no listener for clients.
	secret string

	mu  sync.Mutex
	srv *server.Server // nil while stopped
}

// User is on whose behalf a connection is made.
type User string

// The users. JetStream takes changes of a cluster's membership from the system account
// alone.
const (
	Mesh   User = "mesh"
	System User = "system"
)

// New returns a server that is to be started.
func New(cfg Config) *Server {
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // never fails, says its documentation
	return &Server{cfg: cfg, secret: hex.EncodeToString(secret[:])}
}

// Connect connects as a user to the server of the moment.
func (e *Server) Connect(user User, options ...nats.Option) (*nats.Conn, error) {
	options = append(options, nats.InProcessServer(e), nats.Name("omnirelay"))
	if e.cfg.clustered() {
		options = append(options, nats.UserInfo(string(user), e.secret))
	}
	conn, err := nats.Connect("", options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	return conn, nil
}

// serverMemory bounds what JetStream keeps in memory: the consumers of followers
// that are behind.
const serverMemory = 32 << 20

// How the servers of a cluster find out that a connection between them is dead:
// a process that was stopped keeps its connections open.
const (
	routePing     = 500 * time.Millisecond
	routePings    = 3
	routeDeadline = 2 * time.Second
)

// options are made anew for each start, because the server changes them.
func (e *Server) options() *server.Options {
	o := &server.Options{
		ServerName:             e.cfg.Name,
		DontListen:             true, // clients are in process only
		NoSigs:                 true, // signals are the process's
		JetStream:              true,
		StoreDir:               e.cfg.Dir,
		SyncAlways:             true, // an ack means on disk (A1)
		MaxPayload:             e.cfg.MaxPayload,
		JetStreamMaxMemory:     serverMemory,
		JetStreamMaxStore:      e.cfg.MaxStore,
		DisableJetStreamBanner: true,
	}
	if !e.cfg.clustered() {
		return o
	}
	o.Cluster = server.ClusterOpts{
		Name: e.cfg.Cluster, Host: e.cfg.RouteHost, Port: e.cfg.RoutePort, Advertise: e.cfg.RouteAdvertise, NoAdvertise: true,
		PingInterval: routePing, MaxPingsOut: routePings, WriteDeadline: routeDeadline,
	}
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	o.SystemAccount, o.Accounts = server.DEFAULT_SYSTEM_ACCOUNT, []*server.Account{system}
	o.Users = []*server.User{
		{Username: string(Mesh), Password: e.secret}, {Username: string(System), Password: e.secret, Account: system},
	}
	for _, peer := range e.cfg.Peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: peer})
	}
	return o
}

// Start returns when the server is ready.
func (e *Server) Start() error {
	if e.cfg.clustered() && !e.cfg.StockTiming {
		if err := setTiming(); err != nil {
			return err
		}
	}
	log := &serverLog{log: e.cfg.Logger.With("component", "nats")}
	srv, err := server.NewServer(e.options())
	if err != nil {
		return fmt.Errorf("embedded NATS server: %w", err)
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
	if err := e.ready(srv, log); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.srv = srv
	return nil
}

// readyLook is how long one look waits for the server to be ready.
const readyLook = 100 * time.Millisecond

// ready waits until the server is. One that cannot go on never will be: it says so in
// its log.
func (e *Server) ready(srv *server.Server, log *serverLog) error {
	for end := time.Now().Add(e.cfg.StartTimeout); ; {
		ready := srv.ReadyForConnections(min(readyLook, time.Until(end)))
		fatal := log.fatal.Load()
		switch {
		case fatal != nil:
			return fmt.Errorf("%w, in %s", fatal, e.cfg.Dir)
		case ready && (e.cfg.clustered() || srv.JetStreamEnabled()):
			// In a cluster it disables itself when it learns that it was taken out, which
			// the others say better.
			return nil
		case ready || time.Now().After(end):
			return fmt.Errorf("embedded NATS server in %s not ready after %s", e.cfg.Dir, e.cfg.StartTimeout)
		}
	}
}

// Stop returns when the server has written and closed its files.
func (e *Server) Stop() {
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
func (e *Server) InProcessConn() (net.Conn, error) {
	srv := e.Running()
	if srv == nil {
		return nil, errStopped
	}
	return srv.InProcessConn()
}

// errStopped: the embedded server is not running now.
var errStopped = errors.New("embedded NATS server is stopped")

// Routes returns the NATS names of the servers that a route leads to.
func (e *Server) Routes() map[string]bool {
	up := map[string]bool{}
	srv := e.Running()
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

// Running is the server of the moment; nil while it is stopped.
func (e *Server) Running() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv
}
