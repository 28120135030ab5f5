package jsfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// streamsDir is where JetStream keeps the streams, a directory each.
func streamsDir(storeDir string) string {
	return filepath.Join(storeDir, "jetstream", "$G", "streams")
}

// Streams returns the names of the streams in a store's directory.
func Streams(storeDir string) ([]string, error) {
	entries, err := os.ReadDir(streamsDir(storeDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("jsfile: list streams: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// Check verifies what JetStream keeps beside the blocks of its streams: their
// descriptions, and the log and the newest snapshot of each raft group. Its error is a
// [*CorruptError] when bytes are damaged, or several.
func Check(storeDir string) error {
	return errors.Join(checkDescriptions(storeDir), raftOf(storeDir).check())
}

// checkDescriptions verifies what says how each stream of a directory is kept. A
// server of a cluster that cannot read one makes the stream anew, over its files.
func checkDescriptions(storeDir string) error {
	streams, err := Streams(storeDir)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		dir := filepath.Join(streamsDir(storeDir), stream)
		meta, sum := filepath.Join(dir, "meta.inf"), filepath.Join(dir, "meta.sum")
		b, err := os.ReadFile(meta)
		want, err2 := os.ReadFile(sum)
		if errors.Is(err, fs.ErrNotExist) && errors.Is(err2, fs.ErrNotExist) {
			continue // it was being made, and holds nothing
		}
		if err := errors.Join(err, err2); err != nil {
			return damageOf(dir, -1, fmt.Sprintf("the stream's description cannot be read: %v", err))
		}
		got, err := digest(stream, b)
		if err != nil {
			return err
		}
		if hex.EncodeToString(got) != string(want) {
			return damageOf(meta, 0, "the checksum of the stream's description does not match")
		}
	}
	return nil
}
