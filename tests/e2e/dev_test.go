package e2e_test

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestDev is the first of the two commands of the README.
func TestDev(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := &harness.Server{Address: harness.FreeAddress(t)}
	s.Process = harness.StartIn(t, home, "dev", "dev", "--http", s.Address)
	s.AwaitReady(t)
	awaitBalanced(t, connect(t, s), "demo", 64, "n1", "n2", "n3")

	status := harness.CLI(t, harness.Environ(home), "mesh", "status")
	if status.Code != 0 {
		t.Errorf("mesh status by the context that dev saved: exit code %d\n%s", status.Code, status.Stderr)
	}
	out := s.Output()
	if got := strings.Count(out, "  omnirelay mesh "); got != 3 || !strings.Contains(out, s.URL()) {
		t.Errorf("dev names %d commands to try, want 3, and the address:\n%s", got, out)
	}
	data := regexp.MustCompile(`data +(\S+)`).FindStringSubmatch(out)
	if data == nil {
		t.Fatalf("dev does not say where its data is:\n%s", out)
	}
	s.Signal(syscall.SIGINT)
	if code := s.Wait(settle); code != 0 {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	if _, err := os.Stat(data[1]); !os.IsNotExist(err) {
		t.Errorf("the temporary directory %s is still there: %v", data[1], err)
	}
}

// TestDevKeepsData: --data is there in the next run, and nothing is made twice.
func TestDevKeepsData(t *testing.T) {
	t.Parallel()
	home, data := t.TempDir(), t.TempDir()
	s := &harness.Server{Address: harness.FreeAddress(t)}
	var versions []int64
	for range 2 {
		s.Process = harness.StartIn(t, home, "dev", "dev", "--http", s.Address, "--data", data, "--nodes", "1", "--shards", "4")
		s.AwaitReady(t)
		all, _ := awaitBalanced(t, connect(t, s), "demo", 4, "n1")
		versions = append(versions, all["0"].GetVersion())
		if code := s.Stop(settle); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	if versions[1] <= versions[0] {
		t.Errorf("versions of shard demo/0 in two runs: %v; the second did not go on from the first", versions)
	}
}

func TestDevRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"three servers": {"--servers", "3"},
		"everywhere":    {"--http", "0.0.0.0:8080"},
		"no shards":     {"--shards", "0"},
		"argument":      {"please"},
	} {
		t.Run(name, func(t *testing.T) {
			r := harness.CLI(t, harness.Environ(t.TempDir()), append([]string{"dev"}, args...)...)
			if r.Code != 2 || !strings.Contains(r.Stderr, "allowed") {
				t.Errorf("exit code %d, want 2 and what is allowed:\n%s", r.Code, r.Stderr)
			}
		})
	}
}
