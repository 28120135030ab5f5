package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Sizes of the tables that a commit writes. A new one begins with each space,
// with another projection's keys when the present one is not small, and before
// one grows so large that a later compaction could not take a part of it.
const (
	smallTable   = 256 << 10
	largestTable = 16 << 20
)

// ingestDir holds tables until Pebble has taken them over.
const ingestDir = "ingest"

// ingester is what is needed to write tables beside Pebble.
type ingester struct {
	fs     vfs.FS
	dir    string
	writer sstable.WriterOptions
}

// newIngester empties the folder: what a crash has left there is not part of
// the directory.
func newIngester(filesystem vfs.FS, dir string, opts *pebble.Options) (*ingester, error) {
	in := &ingester{fs: filesystem, dir: filesystem.PathJoin(dir, ingestDir)}
	if err := filesystem.RemoveAll(in.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, opError("empty "+in.dir, err)
	}
	if err := filesystem.MkdirAll(in.dir, 0o750); err != nil {
		return nil, opError("create "+in.dir, err)
	}
	in.writer = opts.MakeWriterOptions(0, pebbleFormat.MaxTableFormat())
	in.writer.DisableValueBlocks = true // see versionsInPlace
	return in, nil
}

// commitTables writes the batch into tables and has Pebble take them over: all
// of them or, after a crash, none. Three goroutines write them, for the caller
// has nothing to do until they are done.
func (b *Batch) commitTables() error {
	b.arrange()
	parts := []func(*emitter){
		(*emitter).versions,
		func(e *emitter) { e.meta(); e.current(); e.changes(); e.dead() },
		func(e *emitter) { e.index(); e.series() },
	}
	sinks := make([]*tableSink, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		s := &tableSink{in: b.db.in, name: i}
		sinks[i] = s
		all.Go(func() {
			part(&emitter{Batch: b, to: s})
			s.finish()
		})
	}
	all.Wait()
	var paths []string
	var errs []error
	for _, s := range sinks {
		paths, errs = append(paths, s.paths...), append(errs, s.err)
	}
	err := errors.Join(errs...)
	if err == nil {
		err = b.db.pdb.Ingest(context.Background(), paths)
	}
	if err != nil {
		b.db.in.forget(paths)
	}
	return err
}

// tableSink writes to tables, one after the other.
type tableSink struct {
	in    *ingester
	name  int // beginning of the names of its files
	paths []string
	w     *sstable.Writer // nil before the first key and after the last
	table string          // space and table of the last key
	value []byte          // scratch
	err   error
}

func (s *tableSink) set(key, head, tail []byte) {
	if s.ready(key) {
		s.value = append(append(s.value[:0], head...), tail...)
		s.note(s.w.Set(key, s.value))
	}
}

func (s *tableSink) remove(key []byte) {
	if s.ready(key) {
		s.note(s.w.Delete(key))
	}
}

// ready has a table for the key.
func (s *tableSink) ready(key []byte) bool {
	if s.err == nil && s.w != nil && s.ends(key) {
		s.finish()
	}
	if s.err == nil && s.w == nil {
		s.begin()
	}
	if s.table != string(key[:min(len(key), headerLen)]) {
		s.table = string(key[:min(len(key), headerLen)])
	}
	return s.err == nil
}

// ends reports whether the present table ends before the key.
func (s *tableSink) ends(key []byte) bool {
	if s.table[0] != key[0] && key[0] > byte(spaceCurrent) {
		return true
	}
	size := s.w.Raw().EstimatedSize()
	return size > largestTable ||
		size > smallTable && s.table != string(key[:min(len(key), headerLen)])
}

func (s *tableSink) begin() {
	path := s.in.fs.PathJoin(s.in.dir, fmt.Sprintf("%d-%06d.sst", s.name, len(s.paths)))
	f, err := s.in.fs.Create(path, vfs.WriteCategoryUnspecified)
	if s.note(err); err == nil {
		s.paths = append(s.paths, path)
		s.w = sstable.NewWriter(objstorageprovider.NewFileWritable(f), s.in.writer)
	}
}

// finish closes the present table, which brings it to the disk.
func (s *tableSink) finish() {
	if s.w != nil {
		s.note(s.w.Close())
		s.w = nil
	}
}

// forget removes what Pebble has not taken over. What cannot be removed is
// removed by the next Open.
func (in *ingester) forget(paths []string) {
	for _, path := range paths {
		_ = in.fs.Remove(path)
	}
}

func (s *tableSink) note(err error) {
	if s.err == nil {
		s.err = err
	}
}
