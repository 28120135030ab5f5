package natslog_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog"
)

// replicas are the directories of three servers that wrote a log.
type replicas struct {
	cfgs []natslog.Config
	end  store.Mark
}

// Frames of this size and number make three blocks of 4 MiB.
const replicaFrames = 100

// crashed returns what three servers leave that are killed at one moment: copies
// of their directories while they run.
func crashed(t *testing.T) replicas {
	t.Helper()
	return wrote(t, func(t *testing.T, cfgs []natslog.Config, s []*natslog.Store) []natslog.Config {
		images := imagesOf(t, cfgs)
		shutAll(t, s...)
		return images
	})
}

// stopped returns what three servers leave that stop well.
func stopped(t *testing.T) replicas {
	t.Helper()
	return wrote(t, func(t *testing.T, cfgs []natslog.Config, s []*natslog.Store) []natslog.Config {
		shutAll(t, s...)
		return cfgs
	})
}

func wrote(t *testing.T, end func(*testing.T, []natslog.Config, []*natslog.Store) []natslog.Config) replicas {
	t.Helper()
	cfgs := trio(t)
	for i := range cfgs {
		cfgs[i].MaxLogBytes = 2 * replicaFrames * damageFrame
	}
	s := openAll(t, cfgs...)
	c := &chain{size: damageFrame}
	for range replicaFrames {
		c.must(t, s[0])
	}
	for i, st := range s {
		if err := st.Anchor(c.head); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the replica has all", func() bool { return replicaEnd(t, cfgs[i]) == c.head.Sequence })
	}
	return replicas{end(t, cfgs, s), c.head}
}

// imagesOf copies directories, whose servers may run.
func imagesOf(t *testing.T, cfgs []natslog.Config) []natslog.Config {
	t.Helper()
	images := slices.Clone(cfgs)
	for i := range images {
		images[i].Dir = filepath.Join(t.TempDir(), "image")
		if err := os.CopyFS(images[i].Dir, os.DirFS(cfgs[i].Dir)); err != nil {
			t.Fatal(err)
		}
	}
	return images
}

// shutAll closes servers side by side: the last ones alone have no leader to leave.
func shutAll(t *testing.T, stores ...*natslog.Store) {
	t.Helper()
	ended := make(chan error)
	for _, s := range stores {
		go func() { ended <- s.Close() }()
	}
	for range stores {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// replicaEnd is the last sequence in a replica's files, which may be written now.
func replicaEnd(t *testing.T, cfg natslog.Config) uint64 {
	t.Helper()
	last, err := filesIn(cfg.Dir).End()
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// blockPaths are the paths of the log's block files in order.
func blockPaths(t testing.TB, cfg natslog.Config) []string {
	t.Helper()
	files := filesIn(cfg.Dir)
	blocks, err := files.List()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, b := range blocks {
		paths = append(paths, files.Path(b.Index))
	}
	return paths
}

func lastBlock(t *testing.T, cfg natslog.Config) string {
	t.Helper()
	paths := blockPaths(t, cfg)
	if len(paths) < 3 {
		t.Fatalf("blocks %v; want at least three", paths)
	}
	return paths[len(paths)-1]
}

// raftPaths are files of raft's groups, the largest first.
func raftPaths(t *testing.T, cfg natslog.Config, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(cfg.Dir, "jetstream", "$SYS", "_js_", "*", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no raft files %s: %v", pattern, err)
	}
	slices.SortFunc(paths, func(a, b string) int { return int(size(t, b) - size(t, a)) })
	return paths
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// TestReplicaDamageStopsOpen: a replica that is damaged where nothing was being
// written stops its server, with the file, and no file is touched.
func TestReplicaDamageStopsOpen(t *testing.T) {
	left := map[string]replicas{"crash": crashed(t), "stop": stopped(t)}
	for _, test := range []struct {
		name, after string
		want        error
		damage      func(*testing.T, natslog.Config)
	}{
		{"byte in the first block", "crash", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			flip(t, blockPaths(t, c)[0], 50_000)
		}},
		{"byte in the last block", "crash", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			flip(t, lastBlock(t, c), 50_000)
		}},
		{"first block gone", "crash", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			remove(t, blockPaths(t, c)[0])
		}},
		{"middle block gone", "crash", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			remove(t, blockPaths(t, c)[1])
		}},
		{"first block cut", "crash", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			cut(t, blockPaths(t, c)[0], 100)
		}},
		{"last block gone", "stop", store.ErrLogTruncated, func(t *testing.T, c natslog.Config) {
			remove(t, lastBlock(t, c))
		}},
		{"last block cut", "stop", store.ErrLogTruncated, func(t *testing.T, c natslog.Config) {
			cut(t, lastBlock(t, c), 100)
		}},
		{"byte in raft's log", "crash", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			path := raftPaths(t, c, "msgs/*.blk")[0]
			flip(t, path, size(t, path)/2)
		}},
		{"byte in a snapshot of raft", "stop", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			flip(t, raftPaths(t, c, "snapshots/snap.*")[0], 21)
		}},
		{"byte in a stream's description", "crash", natslog.ErrCorrupt, func(t *testing.T, c natslog.Config) {
			flip(t, filepath.Join(filepath.Dir(msgs(c.Dir)), "meta.inf"), 20)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := imagesOf(t, left[test.after].cfgs[2:])[0]
			test.damage(t, cfg)
			before := snapshot(t, cfg.Dir)
			_, err := natslog.Open(t.Context(), cfg)
			if diff := cmp.Diff(before, snapshot(t, cfg.Dir)); diff != "" {
				t.Errorf("files were changed (-before +after):\n%s", diff)
			}
			t.Logf("%v", err)
			var damaged *natslog.CorruptError
			if !errors.As(err, &damaged) || !errors.Is(err, test.want) || !strings.HasPrefix(damaged.File, cfg.Dir) {
				t.Errorf("%v; want a CorruptError of a file in %s that is %v", err, cfg.Dir, test.want)
			}
		})
	}
}

// TestReplicaIsBroughtUp: a replica that lost its end in a crash, or all of its
// files, has the same messages as the others afterwards, byte for byte.
func TestReplicaIsBroughtUp(t *testing.T) {
	left := crashed(t)
	for _, test := range []struct {
		name   string
		damage func(*testing.T, natslog.Config)
	}{
		{"end cut", func(t *testing.T, c natslog.Config) { cut(t, lastBlock(t, c), 100) }},
		{"last block gone", func(t *testing.T, c natslog.Config) { remove(t, lastBlock(t, c)) }},
		{"stream gone", func(t *testing.T, c natslog.Config) { remove(t, filepath.Dir(msgs(c.Dir))) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfgs := imagesOf(t, left.cfgs)
			test.damage(t, cfgs[2])
			s := openAll(t, cfgs...)
			c := &chain{size: damageFrame, head: left.end}
			c.must(t, s[0])
			eventually(t, "the replica has all", func() bool { return replicaEnd(t, cfgs[2]) == c.head.Sequence })
			shutAll(t, s...)
			if !bytes.Equal(payloads(t, cfgs[0]), payloads(t, cfgs[2])) {
				t.Error("the replica has other messages")
			}
		})
	}
}

// payloads are the messages of a replica's files, one after the other.
func payloads(t *testing.T, cfg natslog.Config) []byte {
	t.Helper()
	var all []byte
	files := filesIn(cfg.Dir)
	err := errors.Join(files.Verify(0, 0), files.After(1, func(m store.Message) bool {
		all = append(all, m.Data...)
		return true
	}))
	if err != nil {
		t.Fatal(err)
	}
	return all
}
