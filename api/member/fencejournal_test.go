package member_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/omnirelay/omnirelay/api/member"
)

func shardToken(fence int64) member.FencingToken {
	return member.FencingToken{Scope: "shard/counts/7", Fence: fence}
}

// readJournal opens a journal and returns it with its records; a checkpoint is
// shown in brackets.
func readJournal(dir string, fence int64) (*member.FenceJournal, []string, error) {
	var all []string
	j, err := member.OpenFenceJournal(dir, shardToken(fence), func(r member.JournalRecord) error {
		if r.Checkpoint {
			all = append(all[:0], "["+string(r.Data)+"]")
		} else {
			all = append(all, string(r.Data))
		}
		return nil
	})
	return j, all, err
}

func openJournal(t *testing.T, dir string, fence int64, want ...string) *member.FenceJournal {
	t.Helper()
	j, got, err := readJournal(dir, fence)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fence %d reads (-want +got):\n%s", fence, diff)
	}
	return j
}

func appendAll(t *testing.T, j *member.FenceJournal, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := j.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantStale(t *testing.T, err error, highest int64) {
	t.Helper()
	var stale *member.StaleFenceError
	if !errors.As(err, &stale) || stale.Highest != highest {
		t.Errorf("error is %v, want stale below %d (L3)", err, highest)
	}
}

func TestFenceJournal(t *testing.T) {
	dir := t.TempDir()
	a := openJournal(t, dir, 10)
	appendAll(t, a, "1", "2")
	b := openJournal(t, dir, 20, "1", "2")
	wantStale(t, a.Append([]byte("late")), 20)
	wantStale(t, a.Append([]byte("later")), 20)
	appendAll(t, b, "3", "")
	_, _, err := readJournal(dir, 15)
	wantStale(t, err, 20)
	if _, _, err := readJournal(dir, 20); !errors.Is(err, member.ErrLocked) {
		t.Errorf("a second journal of one fence: %v, want ErrLocked", err)
	}

	// "late" is in a's file, behind what b counts.
	c := openJournal(t, dir, 30, "1", "2", "3", "")
	if err := c.Checkpoint([]byte("123")); err != nil {
		t.Fatal(err)
	}
	appendAll(t, c, "4")
	if files, _ := filepath.Glob(filepath.Join(dir, "*.journal")); len(files) != 1 {
		t.Errorf("after a checkpoint there are %v", files)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Append(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	c = openJournal(t, dir, 30, "[123]", "4") // the same holder, once more
	appendAll(t, c, "5")
	openJournal(t, dir, 31, "[123]", "4", "5")
	wantStale(t, c.Checkpoint([]byte("12345")), 31)
	openJournal(t, dir, 32, "[123]", "4", "5")
}

func TestFenceJournalRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := member.OpenFenceJournal(dir, member.FencingToken{Scope: "shard/a/1"}, nil); !errors.Is(err, member.ErrInvalidFence) {
		t.Errorf("fence 0: %v", err)
	}
	if _, _, err := readJournal(filepath.Join(dir, "none"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	j := openJournal(t, dir, 1)
	if err := j.Append(make([]byte, member.MaxJournalRecord+1)); err == nil {
		t.Error("a record over the bound was taken")
	}
	appendAll(t, j, "small")
	boom := errors.New("boom")
	_, err := member.OpenFenceJournal(dir, shardToken(2), func(member.JournalRecord) error { return boom })
	if !errors.Is(err, boom) {
		t.Errorf("replay failed, open says %v", err)
	}
	openJournal(t, dir, 2, "small") // it was let go
}

// TestFenceJournalDamage: every byte that a later owner counts on is needed, and
// what was cut off in the middle of the last record is not missed.
func TestFenceJournalDamage(t *testing.T) {
	dir := t.TempDir()
	a := openJournal(t, dir, 1)
	appendAll(t, a, "one", "two")
	b := openJournal(t, dir, 2, "one", "two")
	appendAll(t, b, "three", "four")
	paths, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil || len(paths) != 2 {
		t.Fatal(paths, err)
	}
	const last = 13 + len("four")
	for n, path := range paths {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			if n == 1 && i >= len(whole)-last {
				break
			}
			bad := slices.Clone(whole)
			bad[i] ^= 0x40
			tryJournal(t, dir, path, bad, fmt.Sprintf("%s, byte %d", path, i), nil)
		}
		if n == 1 {
			for i := len(whole) - last; i < len(whole); i++ {
				tryJournal(t, dir, path, whole[:i], "cut at "+strconv.Itoa(i), []string{"one", "two", "three"})
			}
			zeros := append(slices.Clone(whole[:len(whole)-last]), make([]byte, 64)...)
			tryJournal(t, dir, path, zeros, "zeros", []string{"one", "two", "three"})
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tryJournal opens a copy of the journal with one file changed; nil wants it to be
// refused as damaged.
func tryJournal(t *testing.T, dir, path string, data []byte, what string, want []string) {
	t.Helper()
	other := t.TempDir()
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, filepath.Base(path)), data, 0o600); err != nil {
		t.Fatal(err)
	}
	j, got, err := readJournal(other, 3)
	if err == nil {
		defer j.Close() //nolint:errcheck // of a test
	}
	switch {
	case want == nil && !errors.Is(err, member.ErrJournalDamaged):
		t.Errorf("%s: reads %q with error %v, want ErrJournalDamaged", what, got, err)
	case want != nil && (err != nil || !slices.Equal(got, want)):
		t.Errorf("%s: reads %q with error %v, want %q", what, got, err, want)
	}
}

// TestFenceJournalRace: owners of rising fences open and append at once, none
// knowing of the others. Whatever was acknowledged is read by all that open later,
// in the order in which it was acknowledged.
func TestFenceJournalRace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "race")
		if err != nil {
			rt.Fatal(err)
		}
		owners := rapid.IntRange(2, 5).Draw(rt, "owners")
		records := rapid.IntRange(1, 12).Draw(rt, "records")
		checkpoint := rapid.IntRange(0, 12).Draw(rt, "checkpoint after")
		acked := make([][]string, owners+1)
		var running sync.WaitGroup
		for fence := 1; fence <= owners; fence++ {
			running.Go(func() { acked[fence] = writeJournal(dir, fence, records, checkpoint) })
		}
		running.Wait()
		var got []string
		j, err := member.OpenFenceJournal(dir, shardToken(int64(owners)+1), func(r member.JournalRecord) error {
			got = restore(got, r)
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		defer j.Close() //nolint:errcheck // of a test
		at := 0
		for _, want := range slices.Concat(acked...) {
			i := slices.Index(got[at:], want)
			if i < 0 {
				rt.Fatalf("%q was acknowledged and is not read in its place: %q", want, got)
			}
			at += i + 1
		}
	})
}

// restore takes a record of a journal whose checkpoints list what they stand for.
func restore(state []string, r member.JournalRecord) []string {
	switch {
	case !r.Checkpoint:
		return append(state, string(r.Data))
	case len(r.Data) == 0:
		return nil
	}
	return strings.Split(string(r.Data), " ")
}

// writeJournal appends records until they are refused, and returns those that were
// acknowledged.
func writeJournal(dir string, fence, records, checkpoint int) (acked []string) {
	var state []string
	j, err := member.OpenFenceJournal(dir, shardToken(int64(fence)), func(r member.JournalRecord) error {
		state = restore(state, r)
		return nil
	})
	if err != nil {
		return nil
	}
	defer j.Close() //nolint:errcheck // of a test
	for i := range records {
		if i == checkpoint && j.Checkpoint([]byte(strings.Join(state, " "))) != nil {
			return acked
		}
		r := fmt.Sprintf("%d/%d", fence, i)
		if j.Append([]byte(r)) != nil {
			return acked
		}
		acked, state = append(acked, r), append(state, r)
	}
	return acked
}
