package kv

import (
	"io"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// quiet is the default configuration with Pebble's reports thrown away.
func quiet() Config {
	cfg := DefaultConfig()
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	return cfg
}

func openMem(t testing.TB) *DB {
	t.Helper()
	return openFS(t, vfs.NewMem())
}

func openFS(t testing.TB, fs vfs.FS) *DB {
	t.Helper()
	return openWith(t, fs, quiet())
}

func openWith(t testing.TB, fs vfs.FS, cfg Config) *DB {
	t.Helper()
	db, err := OpenFS(fs, "data", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// commit runs fill on a new batch and commits it.
func commit(t testing.TB, db *DB, fill func(b *Batch)) {
	t.Helper()
	b, err := db.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	fill(b)
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
}

func snapshot(t testing.TB, db *DB) *Snapshot {
	t.Helper()
	s, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
