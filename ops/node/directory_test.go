package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omnirelay/omnirelay/store"
)

func TestDirectoryKeepsItsIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	first, err := openDirectory(path, "s1", "c1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDirectory(path, "s1", "c1"); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second process: %v; want store.ErrLocked that names the directory", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	second, err := openDirectory(path, "s1", "c1")
	if err != nil {
		t.Fatal(err)
	}
	if first.ID != second.ID || len(first.ID) != 8 || !first.fresh || second.fresh {
		t.Errorf("ids are %q (fresh %t) and %q (fresh %t)", first.ID, first.fresh, second.ID, second.fresh)
	}
	if err := second.close(); err != nil {
		t.Fatal(err)
	}
	for _, other := range [][2]string{{"s2", "c1"}, {"s1", "c2"}} {
		_, err := openDirectory(path, other[0], other[1])
		if err == nil || !strings.Contains(err.Error(), "belongs to server s1 of cluster c1") {
			t.Errorf("server %s of cluster %s: %v", other[0], other[1], err)
		}
	}
}

func TestEmptiedDirectoryIsAnother(t *testing.T) {
	path := t.TempDir()
	ids := map[string]bool{}
	for range 2 {
		d, err := openDirectory(path, "s1", "c1")
		if err != nil {
			t.Fatal(err)
		}
		ids[d.natsName()] = true
		if err := errors.Join(d.close(), os.RemoveAll(path)); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 2 {
		t.Errorf("names to NATS: %v; want two", ids)
	}
}

func TestDamagedIdentityIsNotReplaced(t *testing.T) {
	for name, text := range map[string]string{"cut": `{"id":"00`, "empty": "", "short id": `{"id":"1","name":"s1","cluster":"c1"}`} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			file := filepath.Join(path, "identity.json")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := openDirectory(path, "s1", "c1"); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("error is %v; want one that names %s", err, file)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != text {
				t.Errorf("the file is now %q, %v", got, err)
			}
		})
	}
}
