package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestClusterGrows: a single server, with a node that owns shards, becomes the
// first of three. What it answered of its past the others answer, byte for byte;
// the node keeps its session, and what comes next is decided by the cluster.
func TestClusterGrows(t *testing.T) {
	t.Parallel()
	single := harness.StartServer(t)
	load := harness.StartLoad(t, harness.DefaultLoadConfig(), single.URL())
	load.AwaitMore(50)
	load.Stop()
	createNamespace(t, harness.Connect(t, single.URL()), "demo", 8)

	before := single.MustCLI(t, "mesh", "log", "tail", "--from", "1", "-o", "json")
	if r := single.CLI(t, "mesh", "log", "seal", "--yes", "--reason", "to grow"); r.Code != 0 {
		t.Fatalf("seal: %+v", r)
	}
	refused := harness.Start(t, "not grown", "serve", "--insecure", "--name", "s1", "--cluster", "c1", "--data", single.Data,
		"--http", harness.FreeAddress(t), "--route", "127.0.0.1:1", "--peers", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3")
	if code := refused.Wait(settle); code == 0 || !strings.Contains(refused.Output(), "data_locked") {
		t.Errorf("a second process on the directory: exit code %d\n%s", code, refused.Output())
	}
	single.Stop(5 * time.Second)
	refused = harness.Start(t, "not grown", "serve", "--insecure", "--name", "s1", "--cluster", "c1", "--data", single.Data,
		"--http", harness.FreeAddress(t), "--route", "127.0.0.1:1", "--peers", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3")
	if code := refused.Wait(settle); code == 0 || !strings.Contains(refused.Output(), "--grow") {
		t.Errorf("a member of a cluster on a single server's log: exit code %d\n%s", code, refused.Output())
	}

	c := harness.StartCluster(t, 3, harness.WithGrown(single))
	for _, i := range c.Servers() {
		after := c.Server(i).MustCLI(t, "mesh", "log", "tail", "--from", "1", "-o", "json")
		if !strings.HasPrefix(after, before) {
			t.Errorf("s%d tells another past than the single server did", i)
		}
		c.Server(i).MustCLI(t, "mesh", "log", "verify")
	}
	load.Verify(c.Only(2).Connect())
	c.StartAgent("n1")
	awaitBalanced(t, c.Connect(), "demo", 8, "n1")
	if n := len(c.Events("LogResumed")); n != 1 {
		t.Errorf("the log was resumed %d times", n)
	}
	c.Kill(1) // the copy is not the only one any more
	again := c.Except(1).StartLoad()
	again.AwaitMore(20)
	again.Verify(c.Only(3).Connect())
	c.Restart(1)
	c.Converged(settle)
}

// TestClusterGrowsFromARestoredLog: a log of a later era than the first grows too,
// and each server finds it again when it is started again.
func TestClusterGrowsFromARestoredLog(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t)
	createNamespace(t, harness.Connect(t, s.URL()), "demo", 8)
	file := filepath.Join(t.TempDir(), "mesh.archive")
	s.MustCLI(t, "mesh", "log", "backup", file)
	s.Stop(5 * time.Second)
	s.Data = filepath.Join(t.TempDir(), "restored")
	s.MustCLI(t, "mesh", "log", "restore", file, "--data", s.Data, "--yes")
	s.Restart(t)
	harness.Eventually(t, settle, "the restored log is sealed", func() error {
		return s.Try(t, "mesh", "log", "seal", "--yes", "--reason", "to grow")
	})
	s.Stop(5 * time.Second)

	c := harness.StartCluster(t, 3, harness.WithGrown(s))
	load := c.StartLoad()
	load.AwaitMore(20)
	for _, i := range c.Servers() {
		c.Stop(i)
		c.Restart(i)
	}
	load.AwaitMore(20)
	load.Verify(c.Only(3).Connect())
	c.Converged(settle)
	c.Kill(2)
	c.Wipe(2)
	c.Launch(2) // a new directory hears of the era from the others
	harness.Eventually(t, settle, "it is replaced", func() error {
		return c.Server(1).Try(t, "mesh", "servers", "replace", "s2", "--yes", "--reason", "its disk was lost")
	})
	c.AwaitReady()
	c.Converged(settle)
}

// TestClusterReplaced: a server that lost its directory waits outside, is given
// its place by one command, and counts from then on.
func TestClusterReplaced(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	load := c.StartLoad()
	load.AwaitMore(50)
	lost := c.Except(c.Leader()).Servers()[0]
	other := c.Except(lost, c.Leader()).Servers()[0]
	name := c.Server(lost).Name
	if r := c.Server(other).CLI(t, "mesh", "servers", "replace", name, "--yes"); r.Code != 4 || !strings.Contains(r.Stderr, "not_replaceable") {
		t.Errorf("replacing a server that is well: %+v", r)
	}
	c.Kill(lost)
	c.Wipe(lost)
	c.Launch(lost)
	harness.Eventually(t, settle, "it is replaced", func() error {
		return c.Server(other).Try(t, "mesh", "servers", "replace", name, "--yes", "--reason", "its disk was lost")
	})
	c.Only(lost).AwaitReady()
	c.Kill(other)
	again := c.Except(other).StartLoad()
	again.AwaitMore(20)
	c.Restart(other)
	load.Verify(c.Only(lost).Connect())
	again.Verify(c.Only(lost).Connect())
	c.Converged(settle)
	servers, err := c.Connect().System.ListServers(t.Context(), &controlv1.ListServersRequest{})
	if err != nil || len(servers.GetServers()) != 3 {
		t.Errorf("%v, error %v", servers, err)
	}
}

// TestClusterRemoved: a server whose place was given away, and that is started again
// on its old directory, ends by itself and names what makes it a member again; that
// does. Nobody else notices.
func TestClusterRemoved(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	load := c.StartLoad()
	load.AwaitMore(50)
	old := c.Except(c.Leader()).Servers()[0]
	other := c.Except(old, c.Leader()).Servers()[0]
	s := c.Server(old)
	id := directoryID(t, s)
	c.Kill(old)
	before := s.Data
	s.Data = filepath.Join(t.TempDir(), "new")
	c.Launch(old)
	harness.Eventually(t, settle, "it is replaced", func() error {
		return c.Server(other).Try(t, "mesh", "servers", "replace", s.Name, "--yes", "--reason", "it was given up for dead")
	})
	s.AwaitReady(t)
	c.Kill(old)
	s.Data = before
	for range 2 { // also when it has learnt it from the others
		mustRefuse(t, s, nil, "not_a_member", "--reseed "+id)
	}
	load.AwaitMore(20)
	s.LaunchWith(t, "--reseed", id)
	s.AwaitReady(t)
	load.AwaitMore(20)
	c.Kill(other) // it counts
	again := c.Except(other).StartLoad()
	again.AwaitMore(20)
	c.Restart(other)
	load.Verify(c.Only(old).Connect())
	again.Verify(c.Only(old).Connect())
	c.Converged(settle)
}

// directoryID is the id of the directory that a server was started on.
func directoryID(t *testing.T, s *harness.Server) string {
	t.Helper()
	id := regexp.MustCompile(`msg="data directory" .*id=([0-9a-f]{8})`).FindStringSubmatch(s.Output())
	if id == nil {
		t.Fatalf("the server does not say which directory it has:\n%s", s.Output())
	}
	return id[1]
}

// TestClusterReseeded: a server whose copy of the log is damaged takes itself out
// by file and position, and gets a new copy by one flag, which is left behind.
func TestClusterReseeded(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	load := c.StartLoad()
	load.AwaitMore(200)
	damaged := c.Except(c.Leader()).Servers()[0]
	s := c.Server(damaged)
	c.Kill(damaged)
	file := blocks(t, s)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, s, []string{file}, "log_corrupt", "file="+file, "position=")
	id := directoryID(t, s)
	for range 2 { // the second time the flag is left over
		s.LaunchWith(t, "--reseed", id)
		s.AwaitReady(t)
		load.AwaitMore(20)
		s.Stop(settle)
	}
	c.Restart(damaged)
	load.Verify(c.Only(damaged).Connect())
	c.Converged(settle)
	if n := len(c.Events("ReplicaReplaced")); n != 1 {
		t.Errorf("%d directories were replaced", n)
	}
}
