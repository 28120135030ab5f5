package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store/archive"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// ErrNotEmpty: a restore was asked for into a directory that holds something.
var ErrNotEmpty = errors.New("the data directory is not empty")

// ErrUnfinished: a restore into the directory did not come to its end.
var ErrUnfinished = errors.New("a restore into this data directory was not finished")

// RestoreConfig says what to make of an archive.
type RestoreConfig struct {
	// Data is the directory, empty or not there; Name the server that it is for.
	Data, Name string
	// Position, Settle and By are of archive.RestoreOptions; without an actor it is
	// who runs this process.
	Position events.Position
	Settle   time.Duration
	By       archive.By
	// Above is a position that is known from elsewhere, 0 when none is.
	Above events.Position
	// DryRun reads the archive, looks at the directory, and writes nothing.
	DryRun bool
}

// Restore makes a data directory of an archive, in which the next start of the
// server finds the log in a new era. The log is built aside and appears in one
// step: a directory in which that did not happen is not served, and a restore
// into it starts over.
func Restore(ctx context.Context, r io.Reader, cfg RestoreConfig) (archive.Restored, error) {
	if err := commands.CheckName("name", cfg.Name); err != nil {
		return archive.Restored{}, err
	}
	a, err := archive.NewReader(r)
	if err != nil {
		return archive.Restored{}, err
	}
	era, err := archive.NextEra(a.Header(), cfg.Above)
	if err != nil {
		return archive.Restored{}, err
	}
	if cfg.By.Actor == "" {
		cfg.By.Actor = "local/" + osUser()
	}
	o := archive.RestoreOptions{Era: era, Position: cfg.Position, Settle: cfg.Settle, Now: time.Now().UnixNano(), By: cfg.By}
	if err := checkEmpty(cfg.Data); err != nil {
		return archive.Restored{}, err
	}
	if cfg.DryRun {
		return archive.Restore(ctx, a, nil, o)
	}
	return restore(ctx, a, cfg, o)
}

func restore(ctx context.Context, a *archive.Reader, cfg RestoreConfig, o archive.RestoreOptions) (made archive.Restored, err error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return made, fmt.Errorf("data directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(cfg.Data, lockName))
	if err != nil {
		return made, fmt.Errorf("data directory %s: %w", cfg.Data, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	d := &directory{path: cfg.Data}
	if err := os.RemoveAll(d.restoreDir()); err != nil {
		return made, fmt.Errorf("remove what an unfinished restore left: %w", err)
	}
	made, err = buildLog(ctx, a, filepath.Join(d.restoreDir(), "log"), o)
	if err != nil {
		return made, errors.Join(err, os.RemoveAll(d.restoreDir()))
	}
	if err := d.make(filepath.Join(cfg.Data, identityName), cfg.Name, a.Header().Cluster); err != nil {
		return made, err
	}
	return made, d.takeRestored()
}

// buildLog restores into a store of its own, which is closed cleanly then.
func buildLog(ctx context.Context, a *archive.Reader, dir string, o archive.RestoreOptions) (made archive.Restored, err error) {
	cfg := natslog.DefaultConfig(dir, a.Header().Cluster)
	cfg.Era, cfg.Logger = o.Era.Number, slog.New(slog.DiscardHandler)
	s, err := natslog.Open(ctx, cfg)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if made, err = archive.Restore(ctx, a, s, o); err != nil {
		return made, err
	}
	return made, s.Anchor(made.Mark)
}

// takeRestored moves the finished log to its place.
func (d *directory) takeRestored() error {
	err := syncTree(d.restoreDir())
	if err == nil {
		err = os.Rename(filepath.Join(d.restoreDir(), "log"), d.logDir())
	}
	if err == nil {
		err = os.Remove(d.restoreDir())
	}
	if err == nil {
		err = syncPath(d.path)
	}
	if err != nil {
		return fmt.Errorf("data directory: move the restored log: %w", err)
	}
	return nil
}

// syncTree makes all files and names below a directory durable: the store does so
// for messages, not for what it keeps beside them.
func syncTree(path string) error {
	return filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(path)
	})
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// restoreDir is where a log is built.
func (d *directory) restoreDir() string { return filepath.Join(d.path, restoreName) }

// Names in a data directory that a restore knows.
const (
	lockName     = "lock"
	identityName = "identity.json"
	restoreName  = "unfinished-restore"
)

// checkEmpty wants nothing in a directory but what a restore that was not
// finished left, and what a file system puts into its root.
func checkEmpty(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	// The identity is written before the log appears.
	unfinished := slices.Contains(names, restoreName)
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == lockName || name == restoreName || name == "lost+found" || unfinished && strings.HasPrefix(name, "identity")
	})
	if len(names) > 0 {
		return fmt.Errorf("%w: %s has %s (allowed: an empty directory, or none)", ErrNotEmpty, path, strings.Join(names, ", "))
	}
	return nil
}

// checkFinished refuses to serve a directory whose log is not there yet: it would
// look like one in which a new log may begin.
func checkFinished(path string) error {
	entries, err := os.ReadDir(filepath.Join(path, restoreName))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return fmt.Errorf("%w: %s (allowed: omnirelay mesh log restore again, or another --data)", ErrUnfinished, path)
}
