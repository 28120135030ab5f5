package kv

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestPositionsDoNotGoBack(t *testing.T) {
	db := openMem(t)
	defer db.Close()
	commit(t, db, func(b *Batch) { b.SetPosition(modelTable(), 7) })
	for _, pos := range []uint64{0, 6} {
		b, err := db.NewBatch()
		if err != nil {
			t.Fatal(err)
		}
		b.Put(modelTable(), []byte("a"), pos, nil)
		b.Put(modelTable(), []byte("a"), 8, nil)
		if err := b.Commit(); !errors.Is(err, ErrPosition) {
			t.Errorf("position %d: error %v, want ErrPosition", pos, err)
		}
	}
	if _, _, ok, err := snapshot(t, db).Get(modelTable(), []byte("a")); ok || err != nil {
		t.Errorf("a refused batch left a row (error %v)", err)
	}
}

func TestOvertakenBatchDoesNotCommit(t *testing.T) {
	db := openMem(t)
	defer db.Close()
	late, err := db.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	late.Put(modelTable(), []byte("a"), 1, []byte("late"))
	commit(t, db, func(b *Batch) { b.Put(modelTable(), []byte("a"), 2, []byte("first")) })
	if _, _, err := late.GetCurrent(modelTable(), []byte("b")); !errors.Is(err, ErrStaleBatch) {
		t.Errorf("read: error %v, want ErrStaleBatch", err)
	}
	if err := late.Commit(); !errors.Is(err, ErrStaleBatch) {
		t.Errorf("commit: error %v, want ErrStaleBatch", err)
	}
	if err := late.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("second commit: error %v, want ErrClosed", err)
	}
}

func TestScanDoesNotSeeItsOwnCallback(t *testing.T) {
	db := openMem(t)
	defer db.Close()
	commit(t, db, func(b *Batch) { b.Put(modelTable(), []byte("a"), 1, []byte("1")) })
	b, err := db.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Put(modelTable(), []byte("b"), 2, []byte("2"))
	var seen []string
	scan := func() {
		seen = nil
		err := b.ScanCurrent(modelTable(), nil, func(pk, _ []byte) bool {
			seen = append(seen, string(pk))
			b.Delete(modelTable(), []byte("b"), 2)
			b.Put(modelTable(), append(bytes.Clone(pk), 'x'), 2, nil)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	scan()
	if got := strings.Join(seen, " "); got != "a b" {
		t.Errorf("first scan: %s, want a b", got)
	}
	scan()
	if got := strings.Join(seen, " "); got != "a ax bx" {
		t.Errorf("second scan: %s, want a ax bx", got)
	}
}

func TestDropTableLeavesTheOtherVersion(t *testing.T) {
	db := openMem(t)
	defer db.Close()
	old, next := modelTable(), modelTable()
	next.Version++
	commit(t, db, func(b *Batch) {
		for _, table := range []Table{old, next} {
			b.Put(table, []byte("gone"), 1, []byte("x"))
			b.Delete(table, []byte("gone"), 2)
			b.Put(table, []byte("\xff\xff"), 3, []byte(table.String()))
			b.IndexPut(table, []byte("i"))
			b.SetPosition(table, 3)
		}
	})
	if err := db.DropTable(old); err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, db)
	if n := countAll(t, s, old); n != 0 {
		t.Errorf("%d entries of the dropped table are left", n)
	}
	if n := countAll(t, s, next); n != 1+1+3+1 {
		t.Errorf("the other version has %d entries, want 6", n)
	}
	if pos, err := s.Position(old); pos != 0 || err != nil {
		t.Errorf("position of the dropped table is %d (error %v)", pos, err)
	}
	commit(t, db, func(b *Batch) {
		if _, ok, err := b.GetCurrent(old, []byte("\xff\xff")); ok || err != nil {
			t.Errorf("the writer still sees a dropped row (error %v)", err)
		}
		b.Put(old, []byte("a"), 1, nil) // positions begin anew
	})
}

// countAll counts rows, past rows, changes and index keys.
func countAll(t *testing.T, s *Snapshot, table Table) (n int) {
	t.Helper()
	count := func(_, _ []byte) bool { n++; return true }
	err := errors.Join(
		s.List(table, Range{}, count),
		s.ListAt(table, Range{}, 1, count),
		s.Changes(table, 0, 1<<63, func(*Change) bool { n++; return true }),
		s.IndexScan(table, Range{}, func([]byte) bool { n++; return true }),
	)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMetaCommitsWithTheBatch(t *testing.T) {
	db := openMem(t)
	defer db.Close()
	commit(t, db, func(b *Batch) { b.SetMeta("era", []byte("1")) })
	b, err := db.NewBatch()
	if err != nil {
		t.Fatal(err)
	}
	b.SetMeta("era", []byte("2"))
	if v, ok, err := b.Meta("era"); string(v) != "2" || !ok || err != nil {
		t.Errorf("batch reads %q %v %v, want its own 2", v, ok, err)
	}
	if v, _, _ := db.Meta("era"); string(v) != "1" {
		t.Errorf("uncommitted meta %q is visible", v)
	}
	b.DeleteMeta("era")
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := db.Meta("era"); ok || err != nil {
		t.Errorf("deleted meta is still there (error %v)", err)
	}
}

func TestCloseWaitsForSnapshots(t *testing.T) {
	db := openMem(t)
	s, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); !errors.Is(err, ErrInUse) {
		t.Fatalf("close with a snapshot: error %v, want ErrInUse", err)
	}
	if err := errors.Join(s.Close(), s.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	_, batchErr := db.NewBatch()
	_, snapErr := db.Snapshot()
	_, posErr := db.Position(modelTable())
	_, _, metaErr := db.Meta("x")
	_, _, _, getErr := s.Get(modelTable(), nil)
	for what, err := range map[string]error{
		"batch": batchErr, "snapshot": snapErr, "position": posErr, "meta": metaErr,
		"get": getErr, "sync": db.Sync(), "flush": db.Flush(), "drop": db.DropTable(modelTable()), "close": db.Close(),
		"list": s.List(modelTable(), Range{}, nil), "list at": s.ListAt(modelTable(), Range{}, 1, nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after close: error %v, want ErrClosed", what, err)
		}
	}
}

func TestOpenRefusesNewerFormat(t *testing.T) {
	fs := vfs.NewMem()
	if err := openFS(t, fs).Close(); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(fs, "data", formatFile, "omnirelay-kv format 99 comparer omnirelay.kv.v9\n"); err != nil {
		t.Fatal(err)
	}
	_, err := OpenFS(fs, "data", quiet())
	var format *FormatError
	if !errors.As(err, &format) || !format.Newer() {
		t.Fatalf("error %v, want a newer FormatError", err)
	}
	for _, part := range []string{"format 99", "omnirelay.kv.v9", "format " + strconv.Itoa(FormatVersion), comparerName} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
}

func TestOpenReportsDamagedFormatFile(t *testing.T) {
	fs := vfs.NewMem()
	if err := openFS(t, fs).Close(); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(fs, "data", formatFile, "nonsense"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFS(fs, "data", quiet()); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("error %v, want ErrCorrupt", err)
	}
}

// Every byte of a table's file is damaged in turn (in strides); each read either
// fails with ErrCorrupt or answers as before. None panics.
func TestDamageIsAnError(t *testing.T) {
	fs := vfs.NewMem()
	db := openFS(t, fs)
	commit(t, db, func(b *Batch) {
		for i := range uint32(300) {
			b.Put(modelTable(), Key{}.Uint32(i), uint64(i+1), bytes.Repeat([]byte{byte(i)}, 100))
		}
	})
	if err := errors.Join(db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
	name, size := tableFile(t, fs)
	damaged := 0
	for at := 3; at < size; at += 997 {
		flip(t, fs, name, at)
		err := readEverything(fs)
		if errors.Is(err, ErrCorrupt) {
			damaged++
		} else if err != nil {
			t.Errorf("damage at %d of %d: error %v, want ErrCorrupt", at, size, err)
		}
		flip(t, fs, name, at)
	}
	if damaged == 0 {
		t.Error("no damage was noticed")
	}
}

func tableFile(t *testing.T, fs *vfs.MemFS) (path string, size int) {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			path = fs.PathJoin("data", name)
		}
	}
	info, err := fs.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, int(info.Size())
}

func flip(t *testing.T, fs *vfs.MemFS, path string, at int) {
	t.Helper()
	data, err := fs.UnsafeGetFileDataBuffer(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 0xff
}

func readEverything(fs vfs.FS) (err error) {
	db, err := OpenFS(fs, "data", quiet())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := db.Snapshot()
	if err != nil {
		return err
	}
	defer s.Close()
	keep := func(_, _ []byte) bool { return true }
	return errors.Join(
		s.List(modelTable(), Range{}, keep),
		s.ListAt(modelTable(), Range{}, 5, keep),
		s.Changes(modelTable(), 0, 1000, func(*Change) bool { return true }),
	)
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MemTables = 1
	_, err := OpenFS(vfs.NewMem(), "data", cfg)
	if err == nil || !strings.Contains(err.Error(), "MemTables is 1; allowed are 2 to 16") {
		t.Fatalf("error %v does not name the field and its range", err)
	}
}
