package projections

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/omnirelay/omnirelay/store/kv"
)

// Divergence says what Open does with a directory that the log contradicts.
type Divergence int

const (
	// Quarantine moves the directory away and builds a new one.
	Quarantine Divergence = iota
	// Refuse returns the [*DivergedError] and leaves the directory as it is.
	Refuse
)

// Config says where the rows are and which tables there are.
type Config struct {
	// Dir is the directory of the rows. What is quarantined goes beside it.
	Dir string
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	KV kv.Config
	// Tables are run over every event, in this order.
	Tables []Table
	// BatchBytes bounds one commit; a decision of more goes in several. Range
	// 1 KiB to 64 MiB.
	BatchBytes int
	// CatchUpBytes bounds one commit while the rows are far behind the log, when
	// a few large commits are much cheaper than many small ones; about twice that
	// is held in memory meanwhile. Range 1 KiB to 1 GiB.
	CatchUpBytes int
	// FarBehind is how many frames make a catch-up of a gap. Below it they are
	// applied as they come, and watchers are handed their changes. At least 1.
	FarBehind int
	// OnDivergence is what happens when the log contradicts the directory.
	OnDivergence Divergence
	// Metrics registers the projector's metrics; nil keeps none.
	Metrics prometheus.Registerer
	// Logger is told of transitions; nil is slog.Default.
	Logger *slog.Logger
}

// DefaultConfig has the sizes of a server that is idle most of the time.
func DefaultConfig(dir string, tables ...Table) Config {
	return Config{Dir: dir, KV: kv.DefaultConfig(), Tables: tables, BatchBytes: 32 << 20, CatchUpBytes: 64 << 20, FarBehind: 1024}
}

// Validate reports what is missing or contradicts itself.
func (c Config) Validate() error {
	if c.Dir == "" {
		return fmt.Errorf("projections: config: Dir is empty; it must name a directory")
	}
	if c.BatchBytes < 1<<10 || c.BatchBytes > 64<<20 {
		return fmt.Errorf("projections: config: BatchBytes is %d; allowed are %d to %d", c.BatchBytes, 1<<10, 64<<20)
	}
	if c.CatchUpBytes < 1<<10 || c.CatchUpBytes > 1<<30 {
		return fmt.Errorf("projections: config: CatchUpBytes is %d; allowed are %d to %d", c.CatchUpBytes, 1<<10, 1<<30)
	}
	if c.FarBehind < 1 {
		return fmt.Errorf("projections: config: FarBehind is %d; it is at least 1", c.FarBehind)
	}
	if err := checkTables(c.Tables); err != nil {
		return err
	}
	return c.KV.Validate()
}

func (c Config) fs() vfs.FS {
	if c.FS != nil {
		return c.FS
	}
	return vfs.Default
}

func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}
