package kv

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A crash may lose the newest commits, but what is left is exactly what some
// prefix of them wrote: rows, position and meta of one commit stay together.
func TestCrashKeepsPrefixOfCommits(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 0))
		fs := vfs.NewCrashableMem()
		cfg := quiet()
		// Rounds by tables among rounds by the memtable; in some runs only these.
		cfg.Ingest = []int64{1 << 20, 1 << 11, 1}[seed%3]
		db := openWith(t, fs, cfg)
		synced := uint64(0)
		for n := uint64(1); n <= 40; n++ {
			commit(t, db, func(b *Batch) { writeRound(b, n) })
			switch rng.IntN(8) {
			case 0:
				if err := db.Sync(); err != nil {
					t.Fatal(err)
				}
				synced = n
			case 1:
				if err := db.Flush(); err != nil {
					t.Fatal(err)
				}
				synced = n
			}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		after := openFS(t, crashed)
		checkRound(t, after, seed, synced)
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

const crashRows = 5

// writeRound overwrites every row with the round's number, at the round's
// position.
func writeRound(b *Batch, n uint64) {
	for i := range uint32(crashRows) {
		b.Put(modelTable(), Key{}.Uint32(i), n, roundRow(n))
	}
	if n%3 == 0 {
		b.SetMeta("padding", make([]byte, 1<<10))
	}
	b.SetMeta("round", roundRow(n))
	b.SetPosition(modelTable(), n)
}

func roundRow(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 200), n)
}

func checkRound(t *testing.T, db *DB, seed, synced uint64) {
	t.Helper()
	s := snapshot(t, db)
	defer s.Close()
	pos, err := s.Position(modelTable())
	if err != nil {
		t.Fatal(err)
	}
	if pos < synced {
		t.Fatalf("seed %d: position %d after the crash, %d was synced", seed, pos, synced)
	}
	rows := 0
	err = s.List(modelTable(), Range{}, func(_, row []byte) bool {
		rows++
		if got := binary.BigEndian.Uint64(row[200:]); got != pos {
			t.Errorf("seed %d: row of round %d at position %d", seed, got, pos)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := crashRows; pos > 0 && rows != want {
		t.Errorf("seed %d: %d rows, want %d", seed, rows, want)
	}
	changes := uint64(0)
	if err := s.Changes(modelTable(), 0, 1000, func(*Change) bool { changes++; return true }); err != nil {
		t.Fatal(err)
	}
	if changes != pos*crashRows {
		t.Errorf("seed %d: %d changes at position %d, want %d", seed, changes, pos, pos*crashRows)
	}
}
