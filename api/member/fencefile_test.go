package member

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFenceFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fences")
	f, err := OpenFenceFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFenceFile(path); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second guard on the file: %v", err)
	}
	if err := f.Save(map[string]int64{"b": 7, "a/c": 1 << 50}); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(map[string]int64{"b": 5}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(map[string]int64{"b": 8}); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("save after close: %v", err)
	}
	if _, err := NewFenceGuard(f); !errors.Is(err, fs.ErrClosed) {
		t.Fatalf("a guard of a closed file: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(string(text), "\n")
	if want := "1125899906842624 a/c\n7 b\n"; rows != want {
		t.Errorf("the file has %q, want %q", rows, want)
	}
	f, err = OpenFenceFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	got, err := f.Load()
	if err != nil || len(got) != 2 || got["b"] != 7 || got["a/c"] != 1<<50 {
		t.Errorf("loaded %v, %v", got, err)
	}
}

// TestFenceFileDamaged: every changed or missing byte is found, and an empty
// file is not taken for a new one.
func TestFenceFileDamaged(t *testing.T) {
	t.Parallel()
	whole := appendFences(map[string]int64{"jobs/report": 1234, "shard/demo/5": 99})
	if _, err := parseFences(whole); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if got, err := parseFences(whole[:i]); err == nil {
			t.Errorf("cut at %d gives %v", i, got)
		}
		for bit := range 8 {
			damaged := append([]byte(nil), whole...)
			damaged[i] ^= 1 << bit
			if got, err := parseFences(damaged); err == nil {
				t.Errorf("bit %d of byte %d changed gives %v", bit, i, got)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "fences")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFenceFile(path); err == nil || !strings.Contains(err.Error(), path+" is damaged") {
		t.Errorf("an empty file: %v", err)
	}
}

// crashDisk is a disk that fails, or loses its power, at a step of its choice:
// what was being replaced is then the old or the new.
type crashDisk struct {
	t    *rapid.T
	data []byte // nil before the first
	dead bool
}

var errDisk = errors.New("the disk failed")

func (d *crashDisk) read(string) ([]byte, error) {
	if d.data == nil {
		return nil, fs.ErrNotExist
	}
	return d.data, nil
}

func (d *crashDisk) replace(_ string, data []byte) error {
	if d.dead {
		return errDisk
	}
	switch rapid.SampledFrom([]string{"ok", "ok", "ok", "fails", "fails late", "dies", "dies late"}).Draw(d.t, "disk") {
	case "ok":
		d.data = data
		return nil
	case "fails late":
		d.data = data
	case "dies":
		d.dead = true
	case "dies late":
		d.data, d.dead = data, true
	}
	return errDisk
}

// TestFenceCrash: over failing disks and crashes at any step, no operation is
// admitted with a fence below one that was admitted before (L3).
func TestFenceCrash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		disk := &crashDisk{t: rt}
		start := func() *FenceGuard {
			disk.dead = false
			f, err := readFenceFile("fences", disk)
			if err != nil {
				rt.Fatal(err)
			}
			g, err := NewFenceGuard(f)
			if err != nil {
				rt.Fatal(err)
			}
			return g
		}
		g, admitted := start(), map[string]int64{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			scope := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "scope")
			fence := rapid.Int64Range(1, 12).Draw(rt, "fence")
			err := g.Admit(scope, fence)
			var stale *StaleFenceError
			switch {
			case err == nil && fence < admitted[scope]:
				rt.Fatalf("%s admitted with fence %d after %d", scope, fence, admitted[scope])
			case err == nil:
				admitted[scope] = fence
			case !errors.As(err, &stale) && !errors.Is(err, ErrFenceNotKept):
				rt.Fatal(err)
			}
			if disk.dead || rapid.Bool().Draw(rt, "restart") {
				g = start()
			}
		}
	})
}

// fenceChildVariable names the file of a child process.
const fenceChildVariable = "OMNIRELAY_FENCE_CHILD"

// TestFenceFileChild is the process that TestFenceFileKilled kills: it admits
// ever higher fences and says so after each.
func TestFenceFileChild(t *testing.T) {
	path := os.Getenv(fenceChildVariable)
	if path == "" {
		t.Skip("it is a child process of TestFenceFileKilled")
	}
	f, err := OpenFenceFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewFenceGuard(f)
	if err != nil {
		t.Fatal(err)
	}
	for fence := g.Highest("jobs") + 1; ; fence++ {
		if err := g.Admit("jobs", fence); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.WriteString("admitted " + strconv.FormatInt(fence, 10) + "\n"); err != nil {
			return
		}
	}
}

// TestFenceFileKilled: what a process that is killed said it had admitted is
// known to the next one.
func TestFenceFileKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fences")
	for round := range 5 {
		said := runFenceChild(t, path, 3+7*round)
		f, err := OpenFenceFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g, err := NewFenceGuard(f)
		if err != nil {
			t.Fatal(err)
		}
		var stale *StaleFenceError
		if err := g.Admit("jobs", said-1); !errors.As(err, &stale) {
			t.Fatalf("fence %d after %d was admitted before the kill: %v", said-1, said, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runFenceChild kills a child after some lines and returns the last fence that
// it said, also in what came before it was gone.
func runFenceChild(t *testing.T, path string, lines int) (last int64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFenceFileChild$")
	child.Env = append(os.Environ(), fenceChildVariable+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for n := 0; scan.Scan(); n++ {
		if number, ok := strings.CutPrefix(scan.Text(), "admitted "); ok {
			if last, err = strconv.ParseInt(number, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	if last == 0 {
		t.Fatal("the child admitted nothing")
	}
	return last
}
