package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// stoppedServer is a server with some log, stopped or killed.
func stoppedServer(t *testing.T, kill bool) *harness.Server {
	t.Helper()
	s := harness.StartServer(t)
	c := connect(t, s)
	for i := range 40 {
		createNamespace(t, c, fmt.Sprintf("ns-%d", i), 4)
	}
	if kill {
		s.Kill()
	} else if code := s.Stop(settle); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return s
}

// blocks are the files of the log's messages.
func blocks(t *testing.T, s *harness.Server) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(s.Data, "log"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".blk") && strings.Contains(path, "MESH_c1_1") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no files of the log below %s: %v", s.Data, err)
	}
	return found
}

// sums are the hashes of files.
func sums(t *testing.T, paths []string) string {
	t.Helper()
	var all strings.Builder
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %x\n", path, sha256.Sum256(data))
	}
	return all.String()
}

// mustRefuse starts a server that must end by itself, with exit code 1 and a
// last line that has the code and all of says; nothing else may change.
func mustRefuse(t *testing.T, s *harness.Server, files []string, code string, says ...string) {
	t.Helper()
	before := sums(t, files)
	s.Launch(t)
	if got := s.Wait(settle); got != 1 {
		t.Errorf("exit code %d, want 1", got)
	}
	lines := strings.Split(strings.TrimSpace(s.Output()), "\n")
	last := lines[len(lines)-1]
	for _, want := range append(says, "level=ERROR", "code="+code) {
		if !strings.Contains(last, want) {
			t.Errorf("the last line does not say %q:\n%s", want, last)
		}
	}
	if after := sums(t, files); after != before {
		t.Errorf("the files of the log were changed:\n%s\n%s", before, after)
	}
}

// TestFlippedByte: one bit of a stored frame is found at start, by file and
// position, whatever the stop was like (T5, V3).
func TestFlippedByte(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]bool{"after a clean stop": false, "after kill -9": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stoppedServer(t, kill)
			files := blocks(t, s)
			data, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 0x40
			if err := os.WriteFile(files[0], data, 0o600); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, s, files, "log_corrupt", "file="+files[0], "position=")
		})
	}
}

// TestCutLog: a log that lost its end is found: inside a frame as damage of that
// frame, between two frames although what is left is whole.
func TestCutLog(t *testing.T) {
	t.Parallel()
	for name, kill := range map[string]bool{"after a clean stop": false, "after kill -9": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stoppedServer(t, kill)
			files := blocks(t, s)
			info, err := os.Stat(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(files[0], info.Size()*3/4); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, s, files, "log_corrupt", "file="+files[0], "position=")
			said := regexp.MustCompile(` offset=(\d+) `).FindStringSubmatch(s.Output())
			if said == nil {
				t.Fatal("it does not say where in the file")
			}
			boundary, err := strconv.ParseInt(said[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(files[0], boundary); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, s, files, "log_truncated", "file="+files[0], "position=")
		})
	}
}

// TestMissingLog: a directory that had a log never begins another.
func TestMissingLog(t *testing.T) {
	t.Parallel()
	s := stoppedServer(t, false)
	if err := os.RemoveAll(filepath.Join(s.Data, "log")); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, s, nil, "log_missing")
}

// TestLostProjection: rows are built again from the log.
func TestLostProjection(t *testing.T) {
	t.Parallel()
	s := stoppedServer(t, true)
	if err := os.RemoveAll(filepath.Join(s.Data, "rows")); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	page, err := connect(t, s).Namespaces.Collect(t.Context(), &controlv1.ListNamespacesRequest{})
	if err != nil || len(page.Items) != 40 {
		t.Errorf("%d namespaces, want 40: %v", len(page.Items), err)
	}
}

// TestTwoServersOnOneDirectory: the second is refused and disturbs nobody.
func TestTwoServersOnOneDirectory(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t)
	second := &harness.Server{Data: s.Data, Address: harness.FreeAddress(t)}
	second.Launch(t)
	if code := second.Wait(settle); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if out := second.Output(); !strings.Contains(out, "code=data_locked") || !strings.Contains(out, s.Data) {
		t.Errorf("the second server does not say which directory is in use:\n%s", out)
	}
	createNamespace(t, connect(t, s), "after", 1)
}
