package kv

import (
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// Series hand out each number once, in order, from any number on: whatever the
// commits were, and also when some were applied again from an earlier place.
func TestSeriesAreSetsOfNumbers(t *testing.T) {
	var names []string // in order; none is the beginning of another
	for _, name := range []string{"", "a", "a\x01", "\xff"} {
		names = append(names, string(Key{}.String(name)))
	}
	rapid.Check(t, func(rt *rapid.T) {
		cfg := quiet()
		cfg.Ingest = rapid.SampledFrom([]int64{1, 200, 1 << 20}).Draw(rt, "ingest")
		db := openWith(t, vfs.NewMem(), cfg)
		defer func() { _ = db.Close() }()
		// What is added is drawn once, so that applying a part again is the same.
		steps := rapid.SliceOfN(rapid.IntRange(0, len(names)-1), 0, 600).Draw(rt, "names")
		for at := 0; at < len(steps); {
			b, err := db.NewBatch()
			must(rt, err)
			end := min(len(steps), at+rapid.IntRange(1, 400).Draw(rt, "batch"))
			for i := at; i < end; i++ {
				b.SeriesAdd(modelTable(), []byte(names[steps[i]]), uint64(10*i+10))
			}
			must(rt, b.Commit())
			if at = end; rapid.IntRange(0, 3).Draw(rt, "again") == 0 && at < len(steps) {
				at -= rapid.IntRange(0, min(at, 5)).Draw(rt, "back")
			}
		}
		s, err := db.Snapshot()
		must(rt, err)
		defer s.Close()
		compareSeries(rt, s, names, steps)
	})
}

func compareSeries(t *rapid.T, s *Snapshot, names []string, steps []int) {
	after := uint64(rapid.IntRange(0, 10*len(steps)+20).Draw(t, "after"))
	var all []string
	for n, name := range names {
		var want []uint64
		for i, step := range steps {
			if step == n {
				want = append(want, uint64(10*i+10))
				all = append(all, name)
			}
		}
		for _, from := range []uint64{0, after} {
			var got []uint64
			must(t, s.Series(modelTable(), []byte(name), from, func(number uint64) bool {
				got = append(got, number)
				return true
			}))
			same(t, "series "+name, got, slices.DeleteFunc(slices.Clone(want), func(n uint64) bool { return n <= from }))
		}
	}
	var got []string
	must(t, s.EachSeries(modelTable(), func(name []byte, _ uint64) bool {
		got = append(got, string(name))
		return true
	}))
	same(t, "all series", got, all)
}

func TestSeriesAndAppendedKeysAscend(t *testing.T) {
	for what, write := range map[string]func(b *Batch){
		"series": func(b *Batch) {
			b.SeriesAdd(modelTable(), []byte("a"), 2)
			b.SeriesAdd(modelTable(), []byte("a"), 1)
		},
		"appended": func(b *Batch) {
			b.IndexAppend(modelTable(), []byte("b"))
			b.IndexAppend(modelTable(), []byte("a"))
		},
	} {
		db := openMem(t)
		b, err := db.NewBatch()
		if err != nil {
			t.Fatal(err)
		}
		write(b)
		if err := b.Commit(); !errors.Is(err, ErrPosition) {
			t.Errorf("%s: error %v, want ErrPosition", what, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A table of single keys between two of appended ones, in one commit by tables,
// which refuses keys out of order.
func TestAppendedKeysOfSeveralTables(t *testing.T) {
	for _, ingest := range []int64{1, 1 << 20} {
		cfg := quiet()
		cfg.Ingest = ingest
		db := openWith(t, vfs.NewMem(), cfg)
		commit(t, db, func(b *Batch) {
			for id := uint16(1); id <= 4; id++ {
				for _, key := range []string{"", "a", "a\xff", "b"} {
					if table := (Table{ID: id, Name: "t", Version: 1}); id%2 == 0 {
						b.IndexAppend(table, []byte(key))
					} else {
						b.IndexPut(table, []byte(key))
					}
				}
			}
		})
		s := snapshot(t, db)
		for id := uint16(1); id <= 4; id++ {
			var got []string
			if err := s.IndexScan(Table{ID: id, Version: 1}, Range{}, func(key []byte) bool {
				got = append(got, string(key))
				return true
			}); err != nil {
				t.Fatal(err)
			}
			if want := []string{"", "a", "a\xff", "b"}; !slices.Equal(got, want) {
				t.Errorf("table %d, ingest %d: keys %q, want %q", id, ingest, got, want)
			}
		}
		if err := errors.Join(s.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
