package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

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
	refusedByDev(t, data, 3, 1)
}

// TestDevThreeServers: three servers in one process are a control plane, each with
// an address and metrics of its own; they end together, and go on from their data
// at other addresses.
func TestDevThreeServers(t *testing.T) {
	t.Parallel()
	home, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	s := &harness.Server{Address: harness.FreeAddress(t)}
	var versions []int64
	for range 2 {
		s.Process = harness.StartIn(t, home, "dev", "dev", "--servers", "3", "--http", s.Address, "--data", data, "--shards", "6")
		s.AwaitReady(t)
		all, _ := awaitBalanced(t, connect(t, s), "demo", 6, "n1", "n2", "n3")
		versions = append(versions, all["0"].GetVersion())
		urls := awaitDevServers(t, home)
		for _, url := range urls {
			if got := get(t, url+"/metrics"); !strings.Contains(got, "\nmesh_log_position ") || !strings.Contains(s.Output(), url) {
				t.Errorf("%s has no metrics of its own, or dev did not name it:\n%s", url, s.Output())
			}
		}
		began := time.Now()
		s.Signal(syscall.SIGINT)
		if code := s.Wait(settle); code != 0 {
			t.Errorf("exit code %d after Ctrl-C", code)
		}
		t.Logf("ended in %s", time.Since(began))
	}
	if versions[1] <= versions[0] {
		t.Errorf("versions of shard demo/0 in two runs: %v; the second did not go on from the first", versions)
	}
	refusedByDev(t, data, 1, 3)
}

// awaitDevServers waits until the context that dev saved shows three servers, and
// returns their addresses.
func awaitDevServers(t *testing.T, home string) (urls []string) {
	t.Helper()
	var status struct {
		Servers []struct {
			Name, Role, Address string
			Ready               bool
		}
		Peers struct{ Alive int }
	}
	harness.Eventually(t, settle, "three servers are ready", func() error {
		r := harness.CLI(t, harness.Environ(home), "mesh", "status", "-o", "json")
		if r.Code != 0 {
			return fmt.Errorf("exit code %d: %s", r.Code, r.Stderr)
		}
		if err := json.Unmarshal([]byte(r.Stdout), &status); err != nil {
			return err
		}
		ready := 0
		for _, s := range status.Servers {
			if s.Ready {
				ready++
			}
		}
		if ready != 3 || len(status.Servers) != 3 || status.Peers.Alive != 6 {
			return fmt.Errorf("%+v", status)
		}
		return nil
	})
	r := harness.CLI(t, harness.Environ(home), "context", "list")
	urls = regexp.MustCompile(`http://[0-9.:]+`).FindAllString(r.Stdout, -1)
	if len(urls) != 3 {
		t.Errorf("the context has endpoints %v, want three:\n%s", urls, r.Stdout)
	}
	return urls
}

// refusedByDev: a directory is of a number of servers.
func refusedByDev(t *testing.T, data string, servers, of int) {
	t.Helper()
	r := harness.CLI(t, harness.Environ(t.TempDir()), "dev", "--data", data, "--servers", fmt.Sprint(servers), "--http", "127.0.0.1:0")
	if allowed := fmt.Sprintf("allowed: --servers %d", of); r.Code != 1 || !strings.Contains(r.Stderr, "code=other_kind") || !strings.Contains(r.Stderr, allowed) {
		t.Errorf("exit code %d, want 1, code other_kind and %q:\n%s", r.Code, allowed, r.Stderr)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url) //nolint:noctx // it ends with the test's processes
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestDevRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"two servers": {"--servers", "2"},
		"everywhere":  {"--http", "0.0.0.0:8080"},
		"no shards":   {"--shards", "0"},
		"argument":    {"please"},
	} {
		t.Run(name, func(t *testing.T) {
			r := harness.CLI(t, harness.Environ(t.TempDir()), append([]string{"dev"}, args...)...)
			if r.Code != 2 || !strings.Contains(r.Stderr, "allowed") {
				t.Errorf("exit code %d, want 2 and what is allowed:\n%s", r.Code, r.Stderr)
			}
		})
	}
}
