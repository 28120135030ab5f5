package natslog

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/embedded"
)

// Config says where the log is and what it may use. Sizes are bytes.
type Config struct {
	// Dir is the store's directory, created if need be. It belongs to one process.
	Dir string
	// Cluster names the streams: 1 to 63 letters, digits and hyphens.
	Cluster string
	// Era of the log. 0: the anchor's, or 1 when there is no anchor; in a cluster what
	// the other servers say, and 1 when a log begins.
	Era uint64
	// ServerName is the NATS name of the embedded server; "" is the cluster's.
	ServerName string
	// Route is the address for the other servers of a cluster, Peers the route
	// addresses of all of them, this one's included: 3 or 5, each with a whole copy
	// of the log. Both empty: a single server, which listens on nothing.
	Route string
	Peers []string
	// RouteAdvertise is the address that servers tell each other for this one; ""
	// is Route. Servers that are listed in Peers are always reached by that.
	RouteAdvertise string
	// StockTiming leaves the raft timing as nats-server has it: elections in 4 to 9
	// seconds. It counts for the whole process.
	StockTiming bool
	// Used tells that the caller found other signs of an earlier log in its
	// directory: this server is not empty, and no log begins with it.
	Used bool
	// Grow makes this server the one that fills the log, on a cluster whose servers
	// are all empty, before any other takes it: Open returns with the streams marked
	// as being filled, and [Store.Grown] takes the mark away.
	Grow bool
	// Outside, if set, is called by Open, again and again, while this directory is
	// not one of the log's replicas, with the other servers that answer; it may ask
	// them for a place.
	Outside func(ctx context.Context, link *Link, others []string)
	// Waiting, if set, is told what Open waits for, "" when it goes on. It must not
	// block.
	Waiting func(what string)
	// Known is the end of the log as the caller knows it from elsewhere (the head
	// of its projections). Open refuses a log that ends before Known.Sequence, or
	// whose message there has another hash. The zero Mark knows nothing, a zero
	// hash is not compared.
	Known store.Mark

	// MaxLogBytes bounds the log's files. Range 1 MiB to 16 TiB.
	MaxLogBytes int64
	// MaxRefusalBytes and MaxRefusals bound the audit of refused calls; beyond,
	// the oldest are forgotten. Ranges 64 KiB to 16 GiB, and 1 to 100 million.
	MaxRefusalBytes int64
	MaxRefusals     int64
	// TailBytes and TailFrames bound the recent frames that are kept in memory for
	// followers at the end. Ranges 1 MiB to 1 GiB, and 16 to 1 million.
	TailBytes  int64
	TailFrames int

	// AckTimeout bounds the wait for the answer to one publish or request. Range
	// 10 ms to 1 min.
	AckTimeout time.Duration
	// AnchorSync is the longest time that an anchor waits to be fsynced. Range
	// 10 ms to 1 min.
	AnchorSync time.Duration
	// StartTimeout bounds the wait for the embedded server. Range 1 s to 1 h.
	StartTimeout time.Duration

	// ScrubEvery is how often Guard verifies all of the log's files; 0 is never.
	// Range 1 s to 8,760 h. ScrubRate is how much of them, in bytes per second. Range
	// 64 KiB to 16 GiB.
	ScrubEvery time.Duration
	ScrubRate  int64
	// ReplicaWithin is how long this server's copy of the log may lack a message that
	// it has followed, before it says so. Range 100 ms to 1 h.
	ReplicaWithin time.Duration
	// ShortWithin is how long a leader of the log has to show an end before what was
	// stored, until that counts as lost. Range 100 ms to 1 h.
	ShortWithin time.Duration

	// Metrics may be nil.
	Metrics prometheus.Registerer
	// Logger receives what the server and the connection report. nil is
	// slog.Default.
	Logger *slog.Logger
}

// DefaultConfig is a log of at most 16 GiB on one replica, with at most 16 MiB of
// recent frames in memory. Its scrub reads a full log in little more than an hour.
func DefaultConfig(dir, cluster string) Config {
	return Config{
		Dir: dir, Cluster: cluster,
		MaxLogBytes:     16 << 30,
		MaxRefusalBytes: 64 << 20, MaxRefusals: 100_000,
		TailBytes: 16 << 20, TailFrames: 4096,
		AckTimeout: 5 * time.Second, AnchorSync: time.Second, StartTimeout: 5 * time.Minute,
		ScrubEvery: 24 * time.Hour, ScrubRate: 4 << 20,
		ReplicaWithin: 10 * time.Second, ShortWithin: 3 * time.Second,
	}
}

// Validate reports the first field out of its range.
func (c Config) Validate() error {
	if c.Dir == "" {
		return fmt.Errorf("natslog: config: Dir is empty")
	}
	if !regexp.MustCompile(`^[A-Za-z0-9-]{1,63}$`).MatchString(c.Cluster) {
		return fmt.Errorf("natslog: config: Cluster is %q; allowed are 1 to 63 letters, digits and hyphens", c.Cluster)
	}
	if err := c.validateRoutes(); err != nil {
		return err
	}
	for _, f := range []struct {
		name                 string
		value, least, utmost int64
	}{
		{"MaxLogBytes", c.MaxLogBytes, 1 << 20, 16 << 40},
		{"MaxRefusalBytes", c.MaxRefusalBytes, 64 << 10, 16 << 30},
		{"MaxRefusals", c.MaxRefusals, 1, 100_000_000},
		{"TailBytes", c.TailBytes, 1 << 20, 1 << 30},
		{"TailFrames", int64(c.TailFrames), 16, 1_000_000},
		{"ScrubRate", c.ScrubRate, 64 << 10, 16 << 30},
	} {
		if f.value < f.least || f.value > f.utmost {
			return fmt.Errorf("natslog: config: %s is %d; allowed are %d to %d", f.name, f.value, f.least, f.utmost)
		}
	}
	for _, f := range []struct {
		name                 string
		value, least, utmost time.Duration
	}{
		{"AckTimeout", c.AckTimeout, 10 * time.Millisecond, time.Minute},
		{"AnchorSync", c.AnchorSync, 10 * time.Millisecond, time.Minute},
		{"StartTimeout", c.StartTimeout, time.Second, time.Hour},
		{"ScrubEvery", max(c.ScrubEvery, time.Second), time.Second, 8760 * time.Hour},
		{"ReplicaWithin", c.ReplicaWithin, 100 * time.Millisecond, time.Hour},
		{"ShortWithin", c.ShortWithin, 100 * time.Millisecond, time.Hour},
	} {
		if f.value < f.least || f.value > f.utmost {
			return fmt.Errorf("natslog: config: %s is %s; allowed are %s to %s", f.name, f.value, f.least, f.utmost)
		}
	}
	return nil
}

func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}

func (c Config) validateRoutes() error {
	if len(c.Peers) == 0 {
		return nil
	}
	if n := len(c.Peers); n != 3 && n != 5 {
		return fmt.Errorf("natslog: config: Peers has %d addresses; allowed are 3 or 5, or none for a single server", n)
	}
	if !slices.Contains(c.Peers, c.Route) {
		return fmt.Errorf("natslog: config: Route %q is not among Peers %v; allowed is one of them", c.Route, c.Peers)
	}
	for _, a := range append([]string{c.Route}, c.Peers...) {
		if _, _, err := splitAddress(a); err != nil {
			return fmt.Errorf("natslog: config: address %q: %w; allowed is HOST:PORT", a, err)
		}
	}
	return nil
}

// clustered tells whether this is one of several servers.
func (c Config) clustered() bool { return len(c.Peers) > 0 }

// replicas of each stream: a whole copy on every server.
func (c Config) replicas() int { return max(1, len(c.Peers)) }

// In a cluster the leader of a stream may go while it is asked, and then nobody
// answers. Whoever asks is to ask the next leader soon: to publish the same bytes
// with the same expectation again is always safe, and so is to read.
const (
	clusterAck    = 300 * time.Millisecond
	clusterAnswer = 150 * time.Millisecond
)

// ackTimeout bounds the wait for the ack of a publish with an expectation.
func (c Config) ackTimeout() time.Duration {
	if c.clustered() {
		return min(c.AckTimeout, clusterAck)
	}
	return c.AckTimeout
}

// answerTimeout bounds the wait for the answer to a read, which any server may
// receive and only the leader answers.
func (c Config) answerTimeout() time.Duration {
	if c.clustered() {
		return min(c.AckTimeout, clusterAnswer)
	}
	return c.AckTimeout
}

// name of the embedded server.
func (c Config) name() string {
	if c.ServerName != "" {
		return c.ServerName
	}
	return c.Cluster
}

// server is how the embedded server is to run.
func (c Config) server() embedded.Config {
	e := embedded.Config{
		Name: c.name(), Cluster: c.Cluster, Dir: c.Dir, MaxPayload: maxPayload,
		MaxStore: c.MaxLogBytes + c.MaxRefusalBytes + authBytes + storeSlack,
		Peers:    c.Peers, RouteAdvertise: c.RouteAdvertise, StockTiming: c.StockTiming,
		StartTimeout: c.StartTimeout, Logger: c.logger(),
	}
	e.RouteHost, e.RoutePort, _ = splitAddress(c.Route) // Validate has looked
	return e
}

func (c Config) waiting(what string) {
	if c.Waiting != nil {
		c.Waiting(what)
	}
}

func splitAddress(a string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(a)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, int(n), err
}

// Names of the streams and of their one subject each.
func (c Config) logStream() string      { return fmt.Sprintf("MESH_%s_%d", c.Cluster, c.Era) }
func (c Config) logSubject() string     { return fmt.Sprintf("mesh.%s.log.%d", c.Cluster, c.Era) }
func (c Config) authStream() string     { return fmt.Sprintf("MESH_%s_AUTH", c.Cluster) }
func (c Config) authSubject() string    { return fmt.Sprintf("mesh.%s.auth", c.Cluster) }
func (c Config) refusedStream() string  { return fmt.Sprintf("MESH_%s_REFUSED", c.Cluster) }
func (c Config) refusedSubject() string { return fmt.Sprintf("mesh.%s.refused", c.Cluster) }

// storedSubject is where a frame is told of once it is stored; no stream has it.
func (c Config) storedSubject() string { return fmt.Sprintf("mesh.%s.stored.%d", c.Cluster, c.Era) }

// maxPayload of the server: a frame with room for its headers.
const maxPayload = 2 * events.MaxFrameBytes

// storeSlack is what the server may use on disk beside the streams' own bounds.
const storeSlack = 64 << 20

// authBytes bounds the stream of the register: one message of at most
// maxPayload, and the next one before the old is forgotten.
const authBytes = 4 * maxPayload
