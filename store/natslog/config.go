package natslog

import (
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// Config says where the log is and what it may use. Sizes are bytes.
type Config struct {
	// Dir is the store's directory, created if need be. It belongs to one process.
	Dir string
	// Cluster names the streams: 1 to 63 letters, digits and hyphens.
	Cluster string
	// Era of the log. 0: the anchor's, or 1 when there is no anchor.
	Era uint64
	// ServerName is the NATS name of the embedded server; "" is the cluster's.
	ServerName string
	// Replicas of the streams. Only 1 is built; 3 is what the rest is shaped for.
	Replicas int
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

	// Logger receives what the server and the connection report. nil is
	// slog.Default.
	Logger *slog.Logger
}

// DefaultConfig is a log of at most 16 GiB on one replica, with at most 16 MiB of
// recent frames in memory.
func DefaultConfig(dir, cluster string) Config {
	return Config{
		Dir: dir, Cluster: cluster, Replicas: 1,
		MaxLogBytes:     16 << 30,
		MaxRefusalBytes: 64 << 20, MaxRefusals: 100_000,
		TailBytes: 16 << 20, TailFrames: 4096,
		AckTimeout: 5 * time.Second, AnchorSync: time.Second, StartTimeout: 5 * time.Minute,
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
	for _, f := range []struct {
		name                 string
		value, least, utmost int64
	}{
		{"Replicas", int64(c.Replicas), 1, 1},
		{"MaxLogBytes", c.MaxLogBytes, 1 << 20, 16 << 40},
		{"MaxRefusalBytes", c.MaxRefusalBytes, 64 << 10, 16 << 30},
		{"MaxRefusals", c.MaxRefusals, 1, 100_000_000},
		{"TailBytes", c.TailBytes, 1 << 20, 1 << 30},
		{"TailFrames", int64(c.TailFrames), 16, 1_000_000},
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

// Names of the streams and of their one subject each.
func (c Config) logStream() string      { return fmt.Sprintf("MESH_%s_%d", c.Cluster, c.Era) }
func (c Config) logSubject() string     { return fmt.Sprintf("mesh.%s.log.%d", c.Cluster, c.Era) }
func (c Config) authStream() string     { return fmt.Sprintf("MESH_%s_AUTH", c.Cluster) }
func (c Config) authSubject() string    { return fmt.Sprintf("mesh.%s.auth", c.Cluster) }
func (c Config) refusedStream() string  { return fmt.Sprintf("MESH_%s_REFUSED", c.Cluster) }
func (c Config) refusedSubject() string { return fmt.Sprintf("mesh.%s.refused", c.Cluster) }

// maxPayload of the server: a frame with room for its headers.
const maxPayload = 2 * events.MaxFrameBytes

// authBytes bounds the stream of the register: one message of at most
// maxPayload, and the next one before the old is forgotten.
const authBytes = 4 * maxPayload
