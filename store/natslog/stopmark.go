package natslog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// The mark of a clean stop is taken away by the next start.
func stopMarkPath(dir string) string { return filepath.Join(dir, "clean") }

// readStopMark returns nil when the last stop was not clean, or was one of
// another stream, or the mark does not say: then everything is read.
func readStopMark(dir, stream string) (*jsfile.Stop, error) {
	b, err := os.ReadFile(stopMarkPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("natslog: read mark of the last stop: %w", err)
	}
	m := &jsfile.Stop{}
	if err := json.Unmarshal(b, m); err != nil || m.Stream != stream {
		return nil, nil //nolint:nilerr // an unreadable mark is no mark
	}
	return m, nil
}

// removeStopMark makes the stop of this process an unclean one until it says
// otherwise.
func removeStopMark(dir string) error {
	if err := os.Remove(stopMarkPath(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("natslog: remove mark of the last stop: %w", err)
	}
	return syncDir(dir)
}

func writeStopMark(dir string, m jsfile.Stop) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("natslog: write mark of this stop: %w", err)
	}
	if err := writeFile(stopMarkPath(dir), b); err != nil {
		return fmt.Errorf("natslog: write mark of this stop: %w", err)
	}
	return nil
}

// writeFile replaces a file whole and durably, or not at all.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("natslog: sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
