package jsfile

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// TestAfter: what is whole is read, up to damage or a gap.
func TestAfter(t *testing.T) {
	for _, test := range []struct {
		name       string
		damage     func(*rig)
		from, last uint64
	}{
		{"whole", func(*rig) {}, 1, 2*perBlock + 3},
		{"from the middle", func(*rig) {}, perBlock + 2, 2*perBlock + 3},
		{"behind the end", func(*rig) {}, 2*perBlock + 4, 2*perBlock + 3},
		{"to the damage", func(r *rig) { r.flip(r.Path(2), -10) }, 2, 2*perBlock - 1},
		{"to the gap", func(r *rig) { r.must(os.Remove(r.Path(2))) }, 2, perBlock},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := logged(t)
			test.damage(r)
			next := test.from
			r.must(r.After(test.from, func(m store.Message) bool {
				if m.Sequence != next || string(m.Data) != string(r.frames[next-1]) {
					t.Errorf("message %d has %d bytes; want message %d, of %d", m.Sequence, len(m.Data), next, len(r.frames[next-1]))
				}
				next++
				return true
			}))
			if next != test.last+1 {
				t.Errorf("it ends at message %d, want %d", next-1, test.last)
			}
		})
	}
}

// TestEnd is of the last whole record, whatever the blocks before it have.
func TestEnd(t *testing.T) {
	r := logged(t)
	r.flip(r.Path(1), 100)
	r.cut(r.Path(3), 10)
	if last, err := r.End(); err != nil || last != 2*perBlock+2 {
		t.Errorf("End() = %d, %v", last, err)
	}
	r.replace(r.Path(3), nil)
	if last, err := r.End(); err != nil || last != 2*perBlock {
		t.Errorf("End() = %d, %v, with an empty last block", last, err)
	}
	if last, err := Log(t.TempDir(), stream).End(); err != nil || last != 0 {
		t.Errorf("End() = %d, %v, without files", last, err)
	}
}

// TestFinder: it finds messages as files grow, and begins anew when they shrink.
func TestFinder(t *testing.T) {
	r := logged(t)
	f := Finder{Blocks: r.Blocks}
	want := func(sequence, end uint64) {
		t.Helper()
		hash, last, err := f.Hash(sequence)
		if err != nil || last != end || end >= sequence && hash != events.HashOf(r.frames[sequence-1]) {
			t.Errorf("Hash(%d) = %s, %d, %v; want an end at %d", sequence, hash, last, err, end)
		}
	}
	want(perBlock+1, perBlock+1) // it reads no further than it must
	want(2*perBlock+2, 2*perBlock+2)
	want(99, 2*perBlock+3)
	r.block(3, 1)
	want(2*perBlock+4, 2*perBlock+4)
	r.block(4, 2)
	want(2*perBlock+6, 2*perBlock+6)
	r.must(os.Remove(r.Path(4)))
	want(2*perBlock+6, 2*perBlock+4)
	r.flip(r.Path(1), 100)
	if _, _, err := f.Hash(1); err == nil {
		t.Error("the bytes of a message that does not match are taken")
	}
}

// TestListOfFilesThatVanish: JetStream removes blocks of a replica that catches up.
func TestListOfFilesThatVanish(t *testing.T) {
	r := logged(t)
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			for index := uint32(10); index < 40; index++ {
				_ = os.WriteFile(r.Path(index), nil, 0o600)
			}
			for index := uint32(10); index < 40; index++ {
				_ = os.Remove(r.Path(index))
			}
		}
	})
	for range 2000 {
		blocks, err := r.List()
		if err != nil || len(blocks) < 3 {
			t.Errorf("%v, %v", blocks, err)
			break
		}
	}
	cancel()
	writer.Wait()
}
