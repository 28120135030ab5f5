package natslog

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is the NATS server in this process. It can be stopped and started
// under a living connection: [embedded.InProcessConn] gives the server of the
// moment, where nats.InProcessServer would hold on to the first for ever.
type embedded struct {
	cfg Config

	mu  sync.Mutex
	srv *server.Server // nil while stopped
}

// serverMemory bounds what JetStream keeps in memory: the consumers of followers
// that are behind.
const serverMemory = 32 << 20

// storeSlack is what the server may use on disk beside the streams' own bounds.
const storeSlack = 64 << 20

// options are made anew for each start, because the server changes them.
func (e *embedded) options() *server.Options {
	name := e.cfg.ServerName
	if name == "" {
		name = e.cfg.Cluster
	}
	return &server.Options{
		ServerName:             name,
		DontListen:             true, // one server: in process only
		NoSigs:                 true, // signals are the process's
		JetStream:              true,
		StoreDir:               e.cfg.Dir,
		SyncAlways:             true, // an ack means on disk (A1)
		MaxPayload:             maxPayload,
		JetStreamMaxMemory:     serverMemory,
		JetStreamMaxStore:      e.cfg.MaxLogBytes + e.cfg.MaxRefusalBytes + authBytes + storeSlack,
		DisableJetStreamBanner: true,
	}
}

func (e *embedded) start() error {
	log := &serverLog{log: e.cfg.logger().With("component", "nats")}
	srv, err := server.NewServer(e.options())
	if err != nil {
		return fmt.Errorf("natslog: embedded NATS server: %w", err)
	}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start() // recovers the streams before it returns
	ready := srv.ReadyForConnections(e.cfg.StartTimeout)
	if fatal := log.fatal.Load(); fatal != nil {
		err = fatal
	} else if !ready || !srv.JetStreamEnabled() {
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
	e.mu.Lock()
	srv := e.srv
	e.mu.Unlock()
	if srv == nil {
		return nil, fmt.Errorf("natslog: connect: %w", errStopped)
	}
	return srv.InProcessConn()
}

// errStopped: the embedded server is not running now.
var errStopped = errors.New("embedded NATS server is stopped")
