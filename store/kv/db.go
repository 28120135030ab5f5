package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// DB is one open directory. See the package comment for who may call what.
type DB struct {
	pdb *pebble.DB
	in  *ingester

	// The writer's own state, touched by its goroutine alone.
	rows       *rowCache           // current rows as of the last commit
	floors     map[tableKey]uint64 // committed positions that were looked up
	generation uint64              // counts commits and drops; dates batches
	failure    error               // why writing is over, or nil
	spare      *buffers            // of the last batch; nil while one is open
	ingest     int64               // bytes from which on a commit goes by tables

	mu     sync.Mutex
	closed bool // guarded by mu
	users  int  // open snapshots and running reads; guarded by mu
}

func newDB(pdb *pebble.DB, in *ingester, cfg Config) *DB {
	return &DB{
		pdb:    pdb,
		in:     in,
		ingest: cfg.Ingest,
		rows:   newRowCache(cfg.RowCache),
		floors: make(map[tableKey]uint64),
	}
}

// acquire keeps Pebble open until release. Pebble panics when it is used after
// Close; this turns that into ErrClosed.
func (d *DB) acquire() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	d.users++
	return nil
}

func (d *DB) release() {
	d.mu.Lock()
	d.users--
	d.mu.Unlock()
}

// Close ends Pebble's goroutines and frees the directory. It returns ErrInUse,
// and closes nothing, while Snapshots are open, and ErrClosed the second time.
// The writer calls it, after its last batch.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	if d.users > 0 {
		return fmt.Errorf("%w: %d", ErrInUse, d.users)
	}
	d.closed = true
	return opError("close", d.pdb.Close())
}

// Sync returns when every commit so far would survive a loss of power.
func (d *DB) Sync() error {
	return d.write("sync", func() error { return d.pdb.LogData(nil, pebble.Sync) })
}

// Flush is Sync and more: recent writes leave the log for tables, so that the
// next Open has nothing to replay. For an orderly stop.
func (d *DB) Flush() error {
	return d.write("flush", d.pdb.Flush)
}

// write runs one operation of the write path. A failure of the path itself is
// remembered: Pebble's commit pipeline is not usable after one.
func (d *DB) write(op string, do func() error) (err error) {
	if err := d.acquire(); err != nil {
		return err
	}
	defer d.release()
	if d.failure != nil {
		return d.failure
	}
	defer func() {
		if errors.Is(err, ErrFailed) {
			d.failure = err
		}
	}()
	defer recoverFatal(op, &err)
	return opError(op, do())
}

// DropTable deletes every row, version, change and index entry of one version of
// a table, and its position, in time that does not depend on how many there are;
// disk space comes back as Pebble compacts. Open batches become stale.
func (d *DB) DropTable(t Table) error {
	if err := t.check(); err != nil {
		return tableError("drop", t, err)
	}
	return d.write("drop "+t.String(), func() error {
		b := d.pdb.NewBatch()
		for _, sp := range rowSpaces() {
			lower, upper := bounds(sp, t, nil, nil)
			if err := b.DeleteRange(lower, upper, nil); err != nil {
				return errors.Join(err, b.Close())
			}
		}
		if err := b.Delete(appendAppliedKey(nil, t), nil); err != nil {
			return errors.Join(err, b.Close())
		}
		if err := b.Commit(pebble.NoSync); err != nil {
			return err
		}
		d.generation++
		delete(d.floors, t.key())
		d.rows.clear()
		return b.Close()
	})
}

// Position returns the committed position of a table, 0 if there is none.
func (d *DB) Position(t Table) (uint64, error) {
	if err := d.acquire(); err != nil {
		return 0, err
	}
	defer d.release()
	return readPosition(d.pdb, t)
}

// Meta returns a value that Batch.SetMeta stored. ok is false if there is none.
func (d *DB) Meta(key string) (value []byte, ok bool, err error) {
	if err := d.acquire(); err != nil {
		return nil, false, err
	}
	defer d.release()
	return readMeta(d.pdb, key)
}

func readPosition(r pebble.Reader, t Table) (uint64, error) {
	v, ok, err := getCopy(r, appendAppliedKey(nil, t))
	if err != nil || !ok {
		return 0, tableError("read position of", t, err)
	}
	if len(v) != 8 {
		return 0, tableError("read position of", t, corruptf("it has %d bytes; allowed are 8", len(v)))
	}
	return binary.BigEndian.Uint64(v), nil
}

func readMeta(r pebble.Reader, key string) ([]byte, bool, error) {
	v, ok, err := getCopy(r, appendMetaKey(nil, key))
	return v, ok, opError("read meta "+key, err)
}

// getCopy reads one key into memory of the caller's own.
func getCopy(r pebble.Reader, key []byte) ([]byte, bool, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	out := append(make([]byte, 0, len(v)), v...)
	return out, true, closer.Close()
}
