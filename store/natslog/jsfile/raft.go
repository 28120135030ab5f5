package jsfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

func raftOf(storeDir string) raftFiles {
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
		return fmt.Errorf("jsfile: read raft state: %w", err)
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
	files := Blocks{filepath.Join(r.dir, group, "msgs"), group}
	blocks, err := files.List()
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
func (b Blocks) checkEntries(index uint32, last bool) error {
	path := b.Path(index)
	buf, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("jsfile: read raft state: %w", err)
	}
	d, err := newDigester(b.Stream, index)
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
			return damageOf(path, int64(offset), fmt.Sprintf("raft's log of group %s: %s", b.Stream, problem))
		}
		before = max(before, sequence)
		offset += r.length
	}
	return nil
}

// RaftGroup is the directory in which raft keeps what it has of a stream: msgs,
// snapshots and commit.idx, and its term, its vote and its peers.
func RaftGroup(storeDir, stream string) (string, error) {
	r := raftOf(storeDir)
	groups, err := os.ReadDir(r.dir)
	if err != nil {
		return "", fmt.Errorf("jsfile: read raft state: %w", err)
	}
	for _, g := range groups {
		dir := filepath.Join(r.dir, g.Name())
		b, err := os.ReadFile(filepath.Join(dir, "meta.inf"))
		var description struct {
			Metadata map[string]string `json:"metadata"`
		}
		if err == nil && json.Unmarshal(b, &description) == nil && description.Metadata["stream"] == stream && description.Metadata["type"] == "stream" {
			return dir, nil
		}
	}
	return "", fmt.Errorf("jsfile: read raft state: no group of stream %s in %s", stream, r.dir)
}

// Clustered tells whether a server of a cluster has written a store's directory:
// that keeps there what the servers agree on.
func Clustered(storeDir string) (bool, error) {
	_, err := os.Stat(filepath.Join(raftOf(storeDir).dir, "_meta_"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("jsfile: read raft state: %w", err)
	}
	return true, nil
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
		return fmt.Errorf("jsfile: read raft state: %w", err)
	}
	if len(b) < snapshotLeast {
		return damageOf(path, 0, fmt.Sprintf("raft's snapshot of group %s has %d bytes", group, len(b)))
	}
	sum, err := digest(group, b[:len(b)-recordSum])
	if err != nil {
		return err
	}
	if !bytes.Equal(sum, b[len(b)-recordSum:]) {
		return damageOf(path, 0, fmt.Sprintf("raft's snapshot of group %s: its checksum does not match", group))
	}
	return nil
}

// newestSnapshot is the one that raft would take; "" when there is none.
func (r raftFiles) newestSnapshot(group string) (string, error) {
	dir := filepath.Join(r.dir, group, "snapshots")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("jsfile: read raft state: %w", err)
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
