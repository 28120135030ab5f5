package jsfile

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

const group = "S-R3F-abc"

// state is what JetStream keeps beside the blocks of streams, with one raft group.
// Of raft's log the beginning was compacted away.
func state(t *testing.T) (r *rig, raft *rig) {
	t.Helper()
	r = newRig(t)
	r.describe(stream)
	r.describe("MESH_test_AUTH")
	raft = &rig{t: t, Blocks: Blocks{Dir: r.inGroup("msgs"), Stream: group}, modified: r.modified}
	for _, sequence := range []uint64{4, 5, 7, 8} {
		raft.append(1, recordOf(t, group, 1, sequence, []byte("entry")))
	}
	raft.append(2, recordOf(t, group, 2, 9, []byte("entry")))
	for _, name := range []string{"snap.1.9", "snap.2.4", "snap.2.10"} {
		b := make([]byte, snapshotLeast-recordSum)
		sum, err := digest(group, b)
		r.must(err)
		r.replace(r.inGroup("snapshots/"+name), append(b, sum...))
	}
	r.replace(r.inGroup("meta.inf"), []byte(`{"name":"`+group+`","metadata":{"type":"stream","stream":"`+stream+`"}}`))
	return r, raft
}

func (r *rig) inGroup(name string) string {
	return filepath.Join(raftOf(r.storeDir).dir, group, name)
}

func (r *rig) description(stream string) string {
	return filepath.Join(streamsDir(r.storeDir), stream, "meta.inf")
}

func (r *rig) describe(stream string) {
	r.t.Helper()
	description := []byte(`{"name":"` + stream + `"}`)
	sum, err := digest(stream, description)
	r.must(err)
	r.replace(r.description(stream), description)
	r.replace(filepath.Join(filepath.Dir(r.description(stream)), "meta.sum"), []byte(hex.EncodeToString(sum)))
}

// TestCheck wants damage to what JetStream keeps beside the blocks named, and nothing
// else.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(r, raft *rig)
		file   func(r, raft *rig) string // "" where nothing is damaged
	}{
		{"whole", func(*rig, *rig) {}, nil},
		{"no files", func(r, _ *rig) { r.must(os.RemoveAll(filepath.Join(r.storeDir, "jetstream"))) }, nil},
		{"a stream that was being made", func(r, _ *rig) {
			r.must(os.RemoveAll(filepath.Dir(r.description(stream))))
			r.must(os.Mkdir(filepath.Dir(r.description(stream)), 0o750))
		}, nil},
		{"a description", func(r, _ *rig) { r.flip(r.description(stream), 3) },
			func(r, _ *rig) string { return r.description(stream) }},
		{"a description without its checksum", func(r, _ *rig) {
			r.must(os.Remove(filepath.Join(filepath.Dir(r.description(stream)), "meta.sum")))
		}, func(r, _ *rig) string { return filepath.Dir(r.description(stream)) }},
		{"raft's last entry is torn", func(_, raft *rig) { raft.cut(raft.Path(2), 3) }, nil},
		{"an entry", func(_, raft *rig) { raft.flip(raft.Path(1), 30) },
			func(_, raft *rig) string { return raft.Path(1) }},
		{"the last entry of a block that is not the last", func(_, raft *rig) { raft.cut(raft.Path(1), 3) },
			func(_, raft *rig) string { return raft.Path(1) }},
		{"entries that fall", func(_, raft *rig) {
			raft.append(2, recordOf(raft.t, group, 2, 9, []byte("again")))
		}, func(_, raft *rig) string { return raft.Path(2) }},
		{"an old snapshot", func(r, _ *rig) {
			r.flip(r.inGroup("snapshots/snap.1.9"), 3)
			r.flip(r.inGroup("snapshots/snap.2.4"), 3)
		}, nil},
		{"the newest snapshot", func(r, _ *rig) { r.flip(r.inGroup("snapshots/snap.2.10"), 3) },
			func(r, _ *rig) string { return r.inGroup("snapshots/snap.2.10") }},
		{"a snapshot that is cut", func(r, _ *rig) { r.cut(r.inGroup("snapshots/snap.2.10"), 1) },
			func(r, _ *rig) string { return r.inGroup("snapshots/snap.2.10") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, raft := state(t)
			test.damage(r, raft)
			err := Check(r.storeDir)
			if test.file == nil {
				r.must(err)
				return
			}
			wantDamage(t, err, ErrCorrupt, test.file(r, raft), 0)
		})
	}
}

// TestWhatIsThere: streams, groups and the kind of server are told from the files.
func TestWhatIsThere(t *testing.T) {
	r, _ := state(t)
	if streams, err := Streams(r.storeDir); err != nil || len(streams) != 2 {
		t.Errorf("Streams() = %v, %v", streams, err)
	}
	if dir, err := RaftGroup(r.storeDir, stream); err != nil || dir != r.inGroup("") {
		t.Errorf("RaftGroup() = %q, %v", dir, err)
	}
	if dir, err := RaftGroup(r.storeDir, "MESH_test_AUTH"); err == nil {
		t.Errorf("the group of a stream that has none is %q", dir)
	}
	if clustered, err := Clustered(r.storeDir); clustered || err != nil {
		t.Errorf("Clustered() = %t, %v, without what servers agree on", clustered, err)
	}
	r.must(os.Mkdir(filepath.Join(raftOf(r.storeDir).dir, "_meta_"), 0o750))
	if clustered, err := Clustered(r.storeDir); !clustered || err != nil {
		t.Errorf("Clustered() = %t, %v", clustered, err)
	}
}
