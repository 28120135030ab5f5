package e2e_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/api/client"
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// TestDiskGetsFull: a server ends by itself, and says why, while there is still
// room to end well (V3).
func TestDiskGetsFull(t *testing.T) {
	t.Parallel()
	disk := harness.SmallDisk(t, "64m")
	s := &harness.Server{Data: filepath.Join(disk.Dir, "data"), Address: harness.FreeAddress(t)}
	s.Restart(t)
	c := connect(t, s)
	createNamespace(t, c, "before", 4)
	disk.Fill(8 << 20)
	if code := s.Wait(settle); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	lines := strings.Split(strings.TrimSpace(s.Output()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "code=disk_full") || !strings.Contains(last, s.Data) {
		t.Errorf("the last line does not say that the disk is full, and which:\n%s", last)
	}
	s.Launch(t)
	if code := s.Wait(settle); code != 1 {
		t.Errorf("exit code %d of a start on the full disk, want 1", code)
	}
	mustGoOn(t, s, c, disk, "before")
}

// TestFullDisk: the last byte is taken before the server can see it coming. What
// was acknowledged is there when it has room again, and until then nothing more
// is acknowledged than is stored.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := harness.SmallDisk(t, "64m")
	s := &harness.Server{Data: filepath.Join(disk.Dir, "data"), Address: harness.FreeAddress(t)}
	s.Restart(t)
	c := connect(t, s)
	createNamespace(t, c, "before", 4)
	disk.Fill(0)
	acked := createUntilRefused(t, c)
	t.Logf("%d commands were acknowledged on the full disk before one was not", len(acked))
	s.Kill()
	mustGoOn(t, s, c, disk, append(acked, "before")...)
}

// mustGoOn makes room, starts the server again and looks for namespaces.
func mustGoOn(t *testing.T, s *harness.Server, c *client.Client, disk *harness.Disk, names ...string) {
	t.Helper()
	disk.Free()
	s.Restart(t)
	at := createNamespace(t, c, "after", 4)
	page, err := c.Namespaces.Collect(t.Context(), &controlv1.ListNamespacesRequest{
		Read: &controlv1.ReadOptions{MinPosition: at},
	})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, ns := range page.Items {
		there[ns.GetNamespace()] = true
	}
	for _, name := range append(names, "after") {
		if !there[name] {
			t.Errorf("A1: %s was acknowledged and is gone", name)
		}
	}
}

// createUntilRefused creates namespaces until one is not acknowledged, and
// returns those that were.
func createUntilRefused(t *testing.T, c *client.Client) []string {
	t.Helper()
	var acked []string
	harness.Eventually(t, 2*settle, "a full disk is felt", func() error {
		name := fmt.Sprintf("full-%d", len(acked))
		ctx, cancel := contextWithin(t, 2*time.Second)
		defer cancel()
		_, err := c.Namespaces.Create(ctx, &controlv1.CreateNamespaceRequest{Namespace: name, ShardCount: 1000})
		if err == nil {
			acked = append(acked, name)
			return errors.New("it was acknowledged")
		}
		t.Logf("create %s: %v", name, err)
		return nil
	})
	return acked
}
