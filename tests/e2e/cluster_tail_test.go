package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/omnirelay/omnirelay/tests/harness"
)

// copyDir copies a directory that nobody writes; one that is not there has nothing.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func killAll(c *harness.Cluster) {
	for _, i := range c.Servers() {
		c.Kill(i)
	}
}

func launchAll(c *harness.Cluster) {
	for _, i := range c.Servers() {
		c.Launch(i)
	}
	c.AwaitReady()
}

// TestClusterLostTail: JetStream comes back on all servers without what was
// acknowledged last, as from disks that lost writes. One server has copies of its
// files. The end is put back, the log says so, and no acknowledged command is lost.
func TestClusterLostTail(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, 3)
	createNamespace(t, c.Connect(), "before", 4)
	c.Converged(settle)
	killAll(c)
	old := t.TempDir()
	for _, i := range c.Servers() {
		copyDir(t, filepath.Join(c.Server(i).Data, "log", "jetstream"), filepath.Join(old, fmt.Sprint(i)))
	}
	launchAll(c)
	load := c.StartLoad()
	load.AwaitMore(100)
	load.Stop()
	c.Converged(settle)
	killAll(c)
	msgs := filepath.Join("jetstream", "$G", "streams", "MESH_c1_1", "msgs")
	copyDir(t, filepath.Join(c.Server(3).Data, "log", msgs), filepath.Join(c.Server(3).Data, "log", "salvage"))
	for _, i := range c.Servers() {
		log := filepath.Join(c.Server(i).Data, "log")
		for _, name := range []string{"jetstream", "clean"} {
			if err := os.RemoveAll(filepath.Join(log, name)); err != nil {
				t.Fatal(err)
			}
		}
		copyDir(t, filepath.Join(old, fmt.Sprint(i)), filepath.Join(log, "jetstream"))
	}
	launchAll(c)
	load.Verify(c.Connect())
	harness.Eventually(t, settle, "the log tells once of what was put back", func() error {
		if healed := c.Events("LogTailHealed"); len(healed) != 1 {
			return fmt.Errorf("it tells of it %d times", len(healed))
		}
		return nil
	})
	c.Converged(settle)
	c.OneLeader()
}
