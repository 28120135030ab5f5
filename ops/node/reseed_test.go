package node

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReseedThatWasCutOff: whatever part of a reseed was done, the directory is not
// served as its former self, and the same flag does the rest.
func TestReseedThatWasCutOff(t *testing.T) {
	for _, left := range [][]string{{"log", "rows", "snapshot"}, {"rows", "snapshot"}, {"snapshot"}, {}} {
		d, err := openDirectory(filepath.Join(t.TempDir(), "data"), "s1", "c1")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.checkKept(); err != nil {
			t.Errorf("a directory that is whole: %v", err)
		}
		former, aside := d.ID, d.givenUpDir()
		if err := os.Mkdir(aside, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range left {
			if err := os.Mkdir(filepath.Join(d.path, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.checkKept(); !errors.Is(err, ErrGivenUp) {
			t.Errorf("with %v left: %v; want ErrGivenUp", left, err)
		}
		for range 2 { // the flag may be left behind
			if err := d.reseed(former); err != nil {
				t.Fatal(err)
			}
		}
		if d.ID == former || d.Replaces != former {
			t.Errorf("it is %s, and replaces %q", d.ID, d.Replaces)
		}
		for _, name := range left {
			if _, err := os.Stat(filepath.Join(aside, name)); err != nil {
				t.Errorf("%s is not aside: %v", name, err)
			}
		}
		if err := errors.Join(d.checkKept(), d.close()); err != nil {
			t.Error(err)
		}
	}
}
