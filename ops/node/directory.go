package node

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/omnirelay/omnirelay/store"
)

// identity is what a data directory says whose it is. The id is random: an
// emptied directory never passes for its former self.
type identity struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Cluster string `json:"cluster"`
	// Replaces is the id of the directory that was given up for this one, here.
	Replaces string `json:"replaces,omitempty"`
}

// directory is a locked data directory.
type directory struct {
	path string
	identity
	fresh bool // the identity was made by this open
	lock  *os.File
}

// openDirectory creates the directory if need be, locks it, and compares or
// writes its identity.
func openDirectory(path, name, cluster string) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", path, err)
	}
	d := &directory{path: path, lock: lock}
	if err := d.identify(name, cluster); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// lockFile takes a file for this process; the lock ends with the process.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = store.ErrLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d *directory) identify(name, cluster string) error {
	path := filepath.Join(d.path, identityName)
	if err := checkFinished(d.path); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.make(path, name, cluster)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := json.Unmarshal(data, &d.identity); err != nil {
		return fmt.Errorf("data directory: %s is damaged: %w", path, err)
	}
	if len(d.ID) != 8 {
		return fmt.Errorf("data directory: %s is damaged: id is %q (allowed: 8 hexadecimal digits)", path, d.ID)
	}
	if d.Name != name || d.Cluster != cluster {
		return fmt.Errorf("data directory %s belongs to server %s of cluster %s, and this is server %s of cluster %s: start it under its name, or with another --data",
			d.path, d.Name, d.Cluster, name, cluster)
	}
	return nil
}

// make writes a new identity: whole and durable, or not at all.
func (d *directory) make(path, name, cluster string) error {
	return d.makeReplacing(path, name, cluster, "")
}

func (d *directory) makeReplacing(path, name, cluster, replaces string) error {
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails, says its documentation
	d.identity, d.fresh = identity{ID: hex.EncodeToString(id[:]), Name: name, Cluster: cluster, Replaces: replaces}, true
	data, err := json.Marshal(d.identity)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	tmp, err := os.CreateTemp(d.path, "identity-*.tmp")
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	_, err = tmp.Write(append(data, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("data directory: write identity: %w", err), os.Remove(tmp.Name()))
	}
	if err := syncPath(d.path); err != nil {
		return fmt.Errorf("data directory: write identity: %w", err)
	}
	return nil
}

func (d *directory) logDir() string      { return filepath.Join(d.path, "log") }
func (d *directory) snapshotDir() string { return filepath.Join(d.path, "snapshot") }
func (d *directory) rowsDir() string     { return filepath.Join(d.path, "rows") }

// natsName is the server's name to NATS.
func (d *directory) natsName() string { return d.Name + "-" + d.ID }

// hasRows tells whether projections were built here: then there was a log.
func (d *directory) hasRows() (bool, error) {
	entries, err := os.ReadDir(d.rowsDir())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(entries) > 0, err
}

func (d *directory) close() error { return d.lock.Close() }
