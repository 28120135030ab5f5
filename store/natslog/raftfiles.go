package natslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// What raft keeps of a stream's replica lies beside it, one directory per group:
//
//	jetstream/$SYS/_js_/<group>/msgs/N.blk       its own log, in records as the stream's
//	jetstream/$SYS/_js_/<group>/snapshots/snap.<term>.<index>
//
// nats-server cuts raft's log at the first entry that it cannot read, with a
// warning, and goes on to vote; two servers that do so elect each other without
// the frames that they had acknowledged. A damaged snapshot makes it leave a
// stream out, or remove it. So both are read here first, and never written.

// raftFiles reads the raft state in a store's directory.
type raftFiles struct{ dir string } // …/jetstream/$SYS/_js_

func newRaftFiles(storeDir string) raftFiles {
	return raftFiles{filepath.Join(storeDir, "jetstream", "$SYS", "_js_")}
}

// check verifies the log and the newest snapshot of every group. The error is a
// *CorruptError when bytes are damaged.
func (r raftFiles) check() error {
	groups, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("natslog: read raft state: %w", err)
	}
	for _, g := range groups {
		if !g.IsDir() {
			continue
		}
		if err := r.checkLog(g.Name()); err != nil {
			return err
		}
		if err := r.checkSnapshot(g.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (r raftFiles) checkLog(group string) error {
	files := blockFiles{filepath.Join(r.dir, group, "msgs"), group}
	blocks, err := files.list()
	if err != nil {
		return err
	}
	for i, b := range blocks {
		if err := files.checkEntries(b.Index, i == len(blocks)-1); err != nil {
			return err
		}
	}
	return nil
}

// checkEntries verifies one block of raft's log. Its beginning is compacted away
// from time to time, so that entries may be missing or erased, but they rise. An
// entry that was cut off at the very end was never acknowledged: each is fsynced
// first.
func (b blockFiles) checkEntries(index uint32, last bool) error {
	path := b.path(index)
	buf, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("natslog: read raft state: %w", err)
	}
	d, err := newDigester(b.stream, index)
	if err != nil {
		return err
	}
	var before uint64
	for offset := 0; offset < len(buf); {
		r, problem := d.parse(buf[offset:])
		if problem != "" && last && !d.laterRecord(buf[offset:], before) {
			return nil // torn
		}
		sequence := r.sequence &^ (erasedBit | tombstoneBit)
		if problem == "" && r.sequence == sequence && sequence <= before {
			problem = fmt.Sprintf("entry %d follows entry %d", sequence, before)
		}
		if problem != "" {
			return raftDamage(path, int64(offset), fmt.Sprintf("raft's log of group %s: %s", b.stream, problem))
		}
		before = max(before, sequence)
		offset += r.length
	}
	return nil
}

// forget removes what raft keeps of a stream, but for its term, its vote and its
// peers, while the server is stopped.
func (r raftFiles) forget(stream string) error {
	groups, err := os.ReadDir(r.dir)
	if err != nil {
		return fmt.Errorf("natslog: read raft state: %w", err)
	}
	for _, g := range groups {
		dir := filepath.Join(r.dir, g.Name())
		b, err := os.ReadFile(filepath.Join(dir, "meta.inf"))
		var description struct {
			Metadata map[string]string `json:"metadata"`
		}
		if err != nil || json.Unmarshal(b, &description) != nil || description.Metadata["stream"] != stream || description.Metadata["type"] != "stream" {
			continue
		}
		for _, name := range []string{"msgs", "snapshots", "commit.idx"} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("natslog: forget raft state: %w", err)
			}
		}
		return syncDir(dir)
	}
	return fmt.Errorf("natslog: forget raft state: no group of stream %s in %s", stream, r.dir)
}

// snapshotLeast is the shortest snapshot: term 8, index 8, length of the peers 4,
// checksum 8, which is over all before it.
const snapshotLeast = 28

func (r raftFiles) checkSnapshot(group string) error {
	path, err := r.newestSnapshot(group)
	if err != nil || path == "" {
		return err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("natslog: read raft state: %w", err)
	}
	if len(b) < snapshotLeast {
		return raftDamage(path, 0, fmt.Sprintf("raft's snapshot of group %s has %d bytes", group, len(b)))
	}
	sum, err := digest(group, b[:len(b)-recordSum])
	if err != nil {
		return err
	}
	if !bytes.Equal(sum, b[len(b)-recordSum:]) {
		return raftDamage(path, 0, fmt.Sprintf("raft's snapshot of group %s: its checksum does not match", group))
	}
	return nil
}

// newestSnapshot is the one that raft would take; "" when there is none.
func (r raftFiles) newestSnapshot(group string) (string, error) {
	dir := filepath.Join(r.dir, group, "snapshots")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("natslog: read raft state: %w", err)
	}
	var newest string
	var atTerm, atIndex uint64
	for _, e := range entries {
		term, index, ok := snapshotName(e.Name())
		if ok && (newest == "" || term > atTerm || term == atTerm && index > atIndex) {
			newest, atTerm, atIndex = filepath.Join(dir, e.Name()), term, index
		}
	}
	return newest, nil
}

// snapshotName reads snap.<term>.<index>.
func snapshotName(name string) (term, index uint64, ok bool) {
	rest, ok := strings.CutPrefix(name, "snap.")
	if !ok {
		return 0, 0, false
	}
	t, i, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, 0, false
	}
	term, err := strconv.ParseUint(t, 10, 64)
	index, err2 := strconv.ParseUint(i, 10, 64)
	return term, index, err == nil && err2 == nil
}

func raftDamage(path string, offset int64, problem string) *CorruptError {
	return &CorruptError{File: path, Offset: offset, Problem: problem, Err: ErrCorrupt}
}

// digest is the checksum that nats-server gives to what is kept under a name.
func digest(name string, data []byte) ([]byte, error) {
	key := sha256.Sum256([]byte(name))
	h, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, fmt.Errorf("natslog: checksum of %s: %w", name, err)
	}
	_, _ = h.Write(data)
	return h.Sum(nil), nil
}

// checkDescriptions verifies what says how each stream of a directory is kept. A
// server of a cluster that cannot read one makes the stream anew, over its files.
func checkDescriptions(storeDir string) error {
	dirs, err := filepath.Glob(filepath.Join(storeDir, "jetstream", "$G", "streams", "*"))
	if err != nil {
		return fmt.Errorf("natslog: list streams: %w", err)
	}
	for _, dir := range dirs {
		meta, sum := filepath.Join(dir, "meta.inf"), filepath.Join(dir, "meta.sum")
		b, err := os.ReadFile(meta)
		want, err2 := os.ReadFile(sum)
		if errors.Is(err, fs.ErrNotExist) && errors.Is(err2, fs.ErrNotExist) {
			continue // it was being made, and holds nothing
		}
		if err := errors.Join(err, err2); err != nil {
			return raftDamage(dir, -1, fmt.Sprintf("the stream's description cannot be read: %v", err))
		}
		got, err := digest(filepath.Base(dir), b)
		if err != nil {
			return err
		}
		if hex.EncodeToString(got) != string(want) {
			return raftDamage(meta, 0, "the checksum of the stream's description does not match")
		}
	}
	return nil
}
