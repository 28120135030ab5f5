package kv

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
)

// pebbleLog passes what Pebble says on to slog.
type pebbleLog struct{ log *slog.Logger }

var _ pebble.Logger = pebbleLog{}

func (l pebbleLog) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug(fmt.Sprintf(format, args...))
	}
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...))
}

// Fatalf may not return: Pebble goes on as if the failure had not happened.
// It panics with a fatal, which commits recover and turn into ErrFailed. On one
// of Pebble's own goroutines (a manifest that cannot be written) nobody recovers
// and the process ends, which is what the alternative, os.Exit, does everywhere.
func (l pebbleLog) Fatalf(format string, args ...any) {
	f := fatal{fmt.Sprintf(format, args...)}
	l.log.Error(f.message)
	panic(f)
}

// fatal is the value that Fatalf panics with.
type fatal struct{ message string }

func (f fatal) Error() string { return f.message }

// newListener replaces one default only: Pebble answers a corrupt block with
// Fatalf, but promise 8 wants the error that the reader is given anyway.
func newListener(log *slog.Logger) *pebble.EventListener {
	return &pebble.EventListener{
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			log.Error("kv: corrupt data on disk", "path", info.Path, "error", info.Details)
		},
	}
}
