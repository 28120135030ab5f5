package kv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FormatVersion numbers the layout of keys and values. A binary opens its own
// version alone: a table is rebuilt from the log rather than migrated, and the
// caller does so when Open says that the directory is older.
const FormatVersion = 2

// formatFile stands beside Pebble's files, so that it can be read before Pebble
// touches anything.
const (
	formatFile   = "OMNIRELAY-KV"
	formatLayout = "omnirelay-kv format %d comparer %s\n"
)

// FormatError says that a directory was written in another format.
type FormatError struct {
	Dir           string
	Found         int
	FoundComparer string
	Want          int
	WantComparer  string
}

// Newer reports whether the directory comes from a newer binary.
func (e *FormatError) Newer() bool { return e.Found > e.Want }

func (e *FormatError) Error() string {
	advice := "remove it to rebuild from the log"
	if e.Newer() {
		advice = "use the newer binary that wrote it, or remove it to rebuild from the log"
	}
	return fmt.Sprintf("kv: directory %s has format %d (comparer %s); this binary reads format %d (comparer %s): %s",
		e.Dir, e.Found, e.FoundComparer, e.Want, e.WantComparer, advice)
}

// checkFormat verifies the format file, or writes it into a directory that has
// no database yet. It comes before Pebble's own files, so a database without it
// is not one of ours.
func checkFormat(filesystem vfs.FS, dir string) error {
	data, err := readFile(filesystem, filesystem.PathJoin(dir, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return createFormat(filesystem, dir)
	}
	if err != nil {
		return opError("read format of "+dir, err)
	}
	var found int
	var comparer string
	if _, err := fmt.Sscanf(string(data), formatLayout, &found, &comparer); err != nil {
		return corruptf("format file of %s is %q: %v", dir, data, err)
	}
	if found != FormatVersion || comparer != comparerName {
		return &FormatError{
			Dir: dir, Found: found, FoundComparer: comparer,
			Want: FormatVersion, WantComparer: comparerName,
		}
	}
	return nil
}

func createFormat(filesystem vfs.FS, dir string) error {
	desc, err := pebble.Peek(dir, filesystem)
	if err != nil {
		return opError("look into "+dir, err)
	}
	if desc.Exists {
		return fmt.Errorf("kv: directory %s holds a Pebble database without %s: not written by this program", dir, formatFile)
	}
	text := fmt.Sprintf(formatLayout, FormatVersion, comparerName)
	return opError("write format of "+dir, writeFile(filesystem, dir, formatFile, text))
}

func readFile(filesystem vfs.FS, path string) ([]byte, error) {
	f, err := filesystem.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<10))
	return data, errors.Join(err, f.Close())
}

// writeFile makes the file appear whole or not at all.
func writeFile(filesystem vfs.FS, dir, name, text string) error {
	path := filesystem.PathJoin(dir, name)
	f, err := filesystem.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := filesystem.Rename(path+".tmp", path); err != nil {
		return err
	}
	d, err := filesystem.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
