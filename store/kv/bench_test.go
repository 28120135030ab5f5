package kv

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// The load of the field measurements: 10,000 rows with 100 versions of 200
// bytes, written round and round in batches of 1000.
const (
	benchRows     = 10_000
	benchVersions = 100
	benchBatch    = 1000
)

func benchTable() Table { return Table{ID: 7, Name: "bench", Version: 1} }

func benchKey(i int) []byte { return Key{}.String("orders").Uint32(uint32(i)) }

// benchValue is half noise, so that compression does not flatter.
func benchValue(rng *rand.Rand) []byte {
	v := make([]byte, 200)
	for i := 0; i < 96; i += 8 {
		binary.LittleEndian.PutUint64(v[i:], rng.Uint64())
	}
	return v
}

// applyRows writes total events and returns the last position.
func applyRows(b *testing.B, db *DB, total int) uint64 {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	pos := uint64(0)
	for pos < uint64(total) {
		batch, err := db.NewBatch()
		if err != nil {
			b.Fatal(err)
		}
		for range benchBatch {
			pos++
			key := benchKey(rng.IntN(benchRows))
			if _, _, err := batch.GetCurrent(benchTable(), key); err != nil {
				b.Fatal(err)
			}
			batch.Put(benchTable(), key, pos, benchValue(rng))
		}
		batch.SetPosition(benchTable(), pos)
		if err := batch.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	return pos
}

func BenchmarkApply(b *testing.B) {
	db, err := Open(b.TempDir(), quiet())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	cpu := processorTime()
	b.ResetTimer()
	applyRows(b, db, b.N)
	b.ReportMetric(float64((processorTime()-cpu).Nanoseconds())/1e3/float64(b.N), "cpu-µs/row")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkRead loads once and measures every read on it.
func BenchmarkRead(b *testing.B) {
	db, err := Open(b.TempDir(), quiet())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	start := time.Now()
	head := applyRows(b, db, benchRows*benchVersions)
	b.Logf("load: %.0f rows/s, %d MiB on disk", float64(head)/time.Since(start).Seconds(),
		db.pdb.Metrics().DiskSpaceUsage()>>20)
	// Compacted, so that background work does not share the processor.
	if err := db.pdb.Compact(b.Context(), []byte{0, 0}, []byte{0xff, 0}, false); err != nil {
		b.Fatal(err)
	}
	snap, err := db.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	defer snap.Close()
	benchReads(b, snap, head)
}

func benchReads(b *testing.B, snap *Snapshot, head uint64) {
	t := benchTable()
	rng := rand.New(rand.NewPCG(2, 2))
	keep := func(_, _ []byte) bool { return true }
	for _, bench := range []struct {
		name string
		read func() error
	}{
		{"Get", func() error {
			_, _, _, err := snap.Get(t, benchKey(rng.IntN(benchRows)))
			return err
		}},
		{"GetAt", func() error {
			_, _, _, err := snap.GetAt(t, benchKey(rng.IntN(benchRows)), 1+rng.Uint64N(head))
			return err
		}},
		{"List1000", func() error {
			return snap.List(t, Range{After: benchKey(rng.IntN(benchRows - 1001)), Limit: 1000}, keep)
		}},
		{"ListAt1000", func() error {
			r := Range{After: benchKey(rng.IntN(benchRows - 1001)), Limit: 1000}
			return snap.ListAt(t, r, 1+rng.Uint64N(head), keep)
		}},
		{"ListAt1000/recent", func() error {
			r := Range{After: benchKey(rng.IntN(benchRows - 1001)), Limit: 1000}
			return snap.ListAt(t, r, head-rng.Uint64N(1000), keep)
		}},
		{"Changes2000", func() error {
			from := rng.Uint64N(head - 2000)
			return snap.Changes(t, from, from+2000, func(*Change) bool { return true })
		}},
		{"Changes2000/prev", func() error {
			from := rng.Uint64N(head - 2000)
			var failed error
			err := snap.Changes(t, from, from+2000, func(c *Change) bool {
				_, _, failed = c.Prev()
				return failed == nil
			})
			return errors.Join(err, failed)
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			before := processorTime()
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				start := time.Now()
				if err := bench.read(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			b.ReportMetric(float64((processorTime()-before).Nanoseconds())/1e3/float64(len(took)), "cpu-µs")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
		})
	}
}

// processorTime is what this process has used so far, compaction included. It
// compares builds on a machine that does other work too, where time does not.
func processorTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
