package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/api/auth"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store"
)

// Submitter takes commands, and proves on request that it still leads.
// commands/sequencer has it.
type Submitter interface {
	commands.Submitter
	// Barrier returns a position that was the head at some moment after the call.
	Barrier(ctx context.Context) (events.Position, error)
}

// Views gives the state of the projections. [projections.Projector] is it.
type Views interface {
	// View returns the newest view, which the caller releases.
	View() (*projections.View, error)
	// WaitFor returns when the view shows a position.
	WaitFor(ctx context.Context, at events.Position) error
}

// Heartbeats is what the control leader knows of sessions beside the log.
type Heartbeats interface {
	// Heartbeat answers a heartbeat, or refuses. The time to live is the lease
	// from the sending of the heartbeat; wantFull asks for the held set in full.
	// The error is a [*commands.Rejected] when the session is gone, and wraps
	// [sequencer.ErrNotLeader] when another server, or a later try, may answer.
	Heartbeat(ctx context.Context, node string, session events.Position, secret events.Hash,
		digest []byte, held []*controlv1.HeldShard, full bool) (ttl time.Duration, wantFull bool, err error)
	// LastSeen is when the last answered heartbeat of a node came; false when
	// that is not known here.
	LastSeen(node string) (time.Time, bool)
	// Expires is when the session of a node ends if nothing more is heard.
	Expires(node string) (time.Time, bool)
}

// Replicas are the copies of the log of a cluster.
type Replicas interface {
	// List returns them by server.
	List(ctx context.Context) (map[string]*controlv1.Replica, error)
	// Replace gives the place of a server's lost directory to its new one; whole waits
	// until that has all that is stored. With check it only says whether it could.
	Replace(ctx context.Context, server string, check bool) (whole func(context.Context) error, err error)
}

// Deps are what the server is made of. All but Refusals, Registerer,
// MetricsHandler, Logger and Ready are needed.
type Deps struct {
	// Name of this server, its cluster and its release.
	Name, ClusterID, MeshVersion string
	Submitter                    Submitter
	Views                        Views
	Feeds                        *Feeds
	Log                          store.Log
	Heartbeats                   Heartbeats
	Authenticator                auth.Authenticator
	// Refusals keeps the records of refused calls; nil keeps none.
	Refusals Refusals
	// Leading reports whether this server is the control leader, Head the position
	// that its write model has come to.
	Leading func() bool
	Head    func() events.Position
	// Others tells of the other servers of a cluster; nil means that there are none.
	Others func() []*controlv1.ServerStatus
	// Drain says how far the drain of a node is, nil for one that is not draining; nil
	// says nothing of any.
	Drain func(node string) *controlv1.DrainProgress
	// Replicas are the copies of the log; nil with a single server.
	Replicas Replicas
	// Ready says what is missing until this server is ready; nil means always.
	Ready func() (waitingFor []string)
	// Registerer takes the metrics; MetricsHandler answers /metrics.
	Registerer     prometheus.Registerer
	MetricsHandler http.Handler
	Logger         *slog.Logger
}

// Server is the handler of the API. It is made by [New]; [Server.Stop] ends its
// streams.
type Server struct {
	deps    Deps
	metrics *metrics
	methods map[string]*method
	mux     *http.ServeMux
	// served are the procedures that have a handler.
	served map[string]bool
	rest   *rest
	// watchers and verifying have a place for each stream and walk.
	watchers, verifying chan struct{}
	// writeWait is WriteWait, but for tests.
	writeWait time.Duration
	// stopping ends with Stop.
	stopping context.Context
	stop     context.CancelFunc
	idPrefix string
	ids      atomic.Uint64
	logNamed atomic.Pointer[named]
}

// New returns the handler of everything that is served on the API's port.
func New(deps Deps) (*Server, error) {
	if err := deps.check(); err != nil {
		return nil, err
	}
	methods, err := describedMethods()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("server: register metrics: %w", err)
	}
	for _, method := range methods {
		method.metrics.duration = m.duration.WithLabelValues(method.name)
	}
	s := &Server{
		deps: deps, metrics: m, methods: methods, mux: http.NewServeMux(), served: map[string]bool{},
		watchers: make(chan struct{}, MaxWatchers), verifying: make(chan struct{}, maxVerifying), idPrefix: randomPrefix(),
		writeWait: WriteWait,
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	if s.deps.Logger == nil {
		s.deps.Logger = slog.Default()
	}
	if err := s.register(); err != nil {
		return nil, err
	}
	return s, nil
}

func (d Deps) check() error {
	for _, missing := range []struct {
		name string
		is   bool
	}{
		{"Name", d.Name == ""}, {"ClusterID", d.ClusterID == ""}, {"Submitter", d.Submitter == nil},
		{"Views", d.Views == nil}, {"Feeds", d.Feeds == nil}, {"Log", d.Log == nil}, {"Heartbeats", d.Heartbeats == nil},
		{"Authenticator", d.Authenticator == nil}, {"Leading", d.Leading == nil}, {"Head", d.Head == nil},
	} {
		if missing.is {
			return fmt.Errorf("server: Deps.%s is missing", missing.name)
		}
	}
	return nil
}

// randomPrefix makes request ids of two processes differ.
func randomPrefix() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	return hex.EncodeToString(b[:]) + "-"
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// logName is "<cluster>.<era>" and the head that reads show; empty before the
// first view.
func (s *Server) logName() (string, events.Position) {
	v, err := s.deps.Views.View()
	if err != nil {
		return "", 0
	}
	defer v.Release()
	return s.nameOf(v), v.Position()
}

// named is the name of a log in one era.
type named struct {
	era  uint64
	name string
}

// nameOf is on the path of every call, so the name is made once per era.
func (s *Server) nameOf(v *projections.View) string {
	if n := s.logNamed.Load(); n != nil && n.era == v.Mark.Era {
		return n.name
	}
	n := &named{v.Mark.Era, fmt.Sprintf("%s.%d", s.deps.ClusterID, v.Mark.Era)}
	s.logNamed.Store(n)
	return n.name
}
