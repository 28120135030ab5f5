package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/tests/harness"
)

// reads are what is compared between the log and its restored self, as of a
// position.
func reads() [][]string {
	return [][]string{
		{"mesh", "shards", "list"}, {"mesh", "namespaces", "list"}, {"mesh", "peers", "list"}, {"mesh", "leaders", "status"},
		{"mesh", "log", "tail"}, {"mesh", "audit"},
	}
}

func readAsOf(t *testing.T, s *harness.Server, at int64) []string {
	t.Helper()
	var all []string
	for _, read := range reads() {
		all = append(all, s.MustCLI(t, append(slices.Clone(read), "--as-of", fmt.Sprint(at), "-o", "json")...))
	}
	return all
}

// writing creates namespaces until it is stopped.
func writing(t *testing.T, s *harness.Server) (stop func() int) {
	c := connect(t, s)
	ended := make(chan struct{})
	var running sync.WaitGroup
	n := 0
	running.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			if _, err := c.Namespaces.Create(t.Context(), &controlv1.CreateNamespaceRequest{Namespace: fmt.Sprintf("load-%d", n), ShardCount: 4}); err != nil {
				t.Errorf("under load: %v", err)
				return
			}
			n++
		}
	})
	return func() int {
		close(ended)
		running.Wait()
		return n
	}
}

// get410 wants a read to be answered 410 position_void.
func get410(t *testing.T, s *harness.Server, path string) {
	t.Helper()
	res, err := http.Get(s.URL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var problem struct{ Code string }
	if err := json.Unmarshal(body, &problem); err != nil || res.StatusCode != http.StatusGone || problem.Code != "position_void" {
		t.Errorf("%s: %s %s", path, res.Status, body)
	}
}

// TestRestore: a backup taken under load is restored elsewhere while the members
// of the lost log run on. All that was up to the backup is as it was; all that
// came after is void; and what is owned then has fences above all that were (L2).
func TestRestore(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t, "--session-ttl", ttl.String())
	c := connect(t, s)
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "mesh.archive")
	early := createNamespace(t, c, "demo", 12)
	agents := map[string]*harness.Process{}
	for _, n := range []string{"n1", "n2", "n3"} {
		agents[n] = harness.StartAgent(t, s, data, n)
	}
	placed, _ := awaitBalanced(t, c, "demo", 12, "n1", "n2", "n3")
	owner := moveAway(t, s, placed["0"].GetOwnerNodeId())

	stop := writing(t, s)
	var backup backedUp
	s.JSON(t, &backup, "mesh", "log", "backup", file)
	t.Logf("archived %d frames up to position %d while %d namespaces were created", backup.Frames, backup.Position, stop())
	var check struct {
		OK       bool
		Position int64
		HeadHash string
	}
	s.JSON(t, &check, "mesh", "log", "verify", "--archive", file)
	if !check.OK || check.Position != backup.Position || check.HeadHash != backup.HeadHash {
		t.Errorf("the archive verifies as %+v, it was %+v", check, backup)
	}
	want := [][]string{readAsOf(t, s, early), readAsOf(t, s, backup.Position)}

	// What is lost: a move, a namespace, and the fences of both.
	moveAway(t, s, owner)
	lost := createNamespace(t, c, "lost", 4)
	old, _ := awaitBalanced(t, c, "lost", 4, "n1", "n2", "n3")
	s.Kill()

	first := *s
	s.Data = filepath.Join(t.TempDir(), "restored")
	s.MustCLI(t, "mesh", "log", "restore", file, "--data", s.Data, "--yes", "--reason", "drill")
	s.Restart(t)

	// The reads of the past and the present, and the void between.
	for i, at := range []int64{early, backup.Position} {
		if diff := cmp.Diff(want[i], readAsOf(t, s, at)); diff != "" {
			t.Errorf("as of %d (-before +restored):\n%s", at, diff)
		}
	}
	get410(t, s, fmt.Sprintf("/control/shards?namespace=demo&asOf=%d", lost))
	get410(t, s, fmt.Sprintf("/control/shards?namespace=demo&minPosition=%d", lost))
	get410(t, s, fmt.Sprintf("/control/shards/diff?fromVersion=%d&toVersion=%d", lost, int64(1e9)))
	get410(t, s, fmt.Sprintf("/control/log?from=%d", lost))
	if r := s.CLI(t, "mesh", "log", "tail", "--from", "1000000000"); r.Code != 0 || !strings.HasPrefix(r.Stdout, "1000000000 ") {
		t.Errorf("the events of the era: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := s.CLI(t, "mesh", "log", "tail", "--last", "100000"); r.Code != 0 || !strings.HasPrefix(r.Stdout, "1000000000 ") {
		t.Errorf("the last events: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	var status struct{ Log, Leader string }
	s.JSON(t, &status, "mesh", "status")
	if status.Log != "c1.2" || status.Leader != "s1" {
		t.Errorf("status is %+v", status)
	}
	if out := s.MustCLI(t, "mesh", "status", "--as-of", "1000000000"); !strings.Contains(out, "the era is settling after a restore") {
		t.Errorf("the status at the beginning of the era does not say that it settles:\n%s", out)
	}
	if r := s.CLI(t, "mesh", "namespaces", "get", "lost"); r.Code != 3 {
		t.Errorf("the lost namespace is there: %d %s", r.Code, r.Stdout)
	}

	// The members come by themselves, and get more than they ever had.
	var now table
	took := harness.Eventually(t, settle, "the members are back", func() (err error) {
		if now, err = shards(t.Context(), c, "demo"); err != nil {
			return err
		}
		// One shard is held, and leaves the count.
		if loads := now.loads(); len(now) != 12 || len(loads) != 3 || loads[""] != 0 {
			return fmt.Errorf("%d shards, owned %v", len(now), loads)
		}
		for id, r := range now {
			if r.GetFenceToken() < 1e9 {
				return fmt.Errorf("shard %s has fence %d of before", id, r.GetFenceToken())
			}
		}
		return nil
	})
	t.Logf("owned again %s after the start (leases of before and their wait: %s)", took.Round(time.Millisecond), ttl+time.Second)
	for id, r := range old {
		if r.GetFenceToken() >= 1e9 {
			t.Errorf("the lost shard %s had fence %d", id, r.GetFenceToken())
		}
	}
	for n, p := range agents {
		if p.Ended() {
			t.Errorf("agent %s ended:\n%s", n, p.Output())
		}
	}
	if r := s.CLI(t, "mesh", "log", "verify"); r.Code != 0 {
		t.Errorf("the restored log: %s%s", r.Stdout, r.Stderr)
	}

	// The old server comes back by mistake: a member that knows the new era does
	// not join it.
	agents["n1"].Stop(settle)
	s.Kill()
	first.Restart(t)
	late := harness.StartAgent(t, &first, data, "n1")
	if code := late.Wait(settle); code == 0 {
		t.Error("a member of the restored log joins the old servers")
	}
}

// backedUp is what mesh log backup prints.
type backedUp struct {
	Frames, Position int64
	HeadHash         string
}

// moveAway moves shard demo/0 from its owner to another, which it returns.
func moveAway(t *testing.T, s *harness.Server, owner string) string {
	t.Helper()
	to := "n1"
	if owner == to {
		to = "n2"
	}
	s.MustCLI(t, "mesh", "shards", "move", "demo/0", "--to", to, "--yes")
	c := connect(t, s)
	harness.Eventually(t, settle, "demo/0 is on "+to, func() error {
		all, err := shards(t.Context(), c, "demo")
		if err == nil && all["0"].GetOwnerNodeId() != to {
			err = fmt.Errorf("it is on %q", all["0"].GetOwnerNodeId())
		}
		return err
	})
	return to
}

// TestSealedOverRestart: a seal holds over the end of the server, what is
// acknowledged by then stays, and members keep their sessions over a seal that is
// longer than their lease.
func TestSealedOverRestart(t *testing.T) {
	t.Parallel()
	s := harness.StartServer(t, "--session-ttl", ttl.String())
	c := connect(t, s)
	createNamespace(t, c, "demo", 4)
	harness.StartAgent(t, s, t.TempDir(), "n1")
	before, _ := awaitBalanced(t, c, "demo", 4, "n1")

	if r := s.CLI(t, "mesh", "log", "seal"); r.Code != 2 {
		t.Errorf("sealed without being asked: %d", r.Code)
	}
	var sealed struct{ Position int64 }
	s.JSON(t, &sealed, "mesh", "log", "seal", "--yes", "--reason", "growth")
	for _, refused := range [][]string{
		{"mesh", "namespaces", "create", "late", "--shards", "1"}, {"mesh", "log", "seal", "--yes"}, {"mesh", "peers", "cordon", "n1"},
	} {
		if r := s.CLI(t, refused...); r.Code != 4 {
			t.Errorf("%v on a sealed log: %d %s", refused, r.Code, r.Stderr)
		}
	}
	s.Kill()
	s.Restart(t)
	if r := s.CLI(t, "mesh", "namespaces", "create", "late", "--shards", "1"); r.Code != 4 {
		t.Errorf("after a restart: %d %s", r.Code, r.Stderr)
	}
	// The member is not answered for longer than its lease, and nothing is closed.
	harness.Eventually(t, settle, "the seal is older than a lease", func() error {
		var e struct{ Time time.Time }
		s.JSON(t, &e, "mesh", "log", "show", fmt.Sprint(sealed.Position))
		if age := time.Since(e.Time); age < 2*ttl {
			return fmt.Errorf("it is %s old", age)
		}
		return nil
	})
	s.MustCLI(t, "mesh", "log", "unseal", "--yes")
	s.MustCLI(t, "mesh", "namespaces", "create", "late", "--shards", "1")
	after, err := shards(t.Context(), c, "demo")
	if err != nil {
		t.Fatal(err)
	}
	for id, r := range after {
		if r.GetFenceToken() != before[id].GetFenceToken() || r.GetOwnerNodeId() != "n1" {
			t.Errorf("shard %s has changed: %+v", id, r)
		}
	}
	awaitBalanced(t, c, "late", 1, "n1")
}
