package jsfile

import (
	"errors"
	"os"
	"testing"

	"github.com/omnirelay/omnirelay/events"
)

// scrubAll looks at all blocks, in order.
func scrubAll(t *testing.T, s *Scrub) error {
	t.Helper()
	blocks, err := s.Blocks.List()
	if err != nil {
		return err
	}
	for _, b := range blocks {
		changing, err := s.Look(b.Index)
		if err != nil {
			return err
		}
		if changing {
			t.Errorf("block %d is said to change", b.Index)
		}
	}
	return nil
}

// TestScrub wants damage named, and what is being written left alone.
func TestScrub(t *testing.T) {
	const end = 2*perBlock + 3
	for _, test := range []struct {
		name   string
		damage func(*rig)
		// block 0: nothing is damaged, and message is the last that is whole.
		block   uint32
		message uint64
	}{
		{"whole", func(*rig) {}, 0, end},
		{"the last one is being written", func(r *rig) { r.cut(r.Path(3), 10) }, 0, end - 1},
		{"a byte", func(r *rig) { r.flip(r.Path(2), -10) }, 2, 2 * perBlock},
		{"a frame of another chain", func(r *rig) {
			r.must(errors.Join(os.Remove(r.Path(3)), os.Remove(r.Path(2))))
			r.frames = r.frames[:perBlock]
			head, err := events.HeadOf(r.frames[perBlock-1])
			r.must(err)
			r.head = head
			r.head.Hash[0] ^= 1
			r.block(2, 1)
		}, 2, perBlock + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := logged(t)
			test.damage(r)
			s := &Scrub{Blocks: r.Blocks}
			err := scrubAll(t, s)
			if test.block == 0 {
				r.must(err)
				if s.Last() != test.message {
					t.Errorf("the last message is %d, want %d", s.Last(), test.message)
				}
				return
			}
			if damaged := wantDamage(t, err, ErrCorrupt, r.Path(test.block), test.message); !damaged.Opened {
				t.Error("it says that nobody had the file open")
			}
		})
	}
}

// TestScrubLooksAgain: what a second read does not show is no damage, neither to that
// block nor to the one behind it.
func TestScrubLooksAgain(t *testing.T) {
	r := logged(t)
	read := map[string]int{}
	s := &Scrub{Blocks: r.Blocks, read: func(path string) ([]byte, error) {
		b, err := os.ReadFile(path)
		if read[path]++; path == r.Path(2) && read[path] == 1 {
			b[len(b)/2] ^= 1
		}
		return b, err
	}}
	r.must(scrubAll(t, s))
	if s.Last() != 2*perBlock+3 || read[r.Path(2)] != 2 {
		t.Errorf("the last message is %d; block 2 was read %d times", s.Last(), read[r.Path(2)])
	}
}

// TestScrubSkips: behind a block that was left out the chain begins anew.
func TestScrubSkips(t *testing.T) {
	r := logged(t)
	s := &Scrub{Blocks: r.Blocks}
	if changing, err := s.Look(1); changing || err != nil {
		t.Fatal(changing, err)
	}
	s.Skip()
	if changing, err := s.Look(3); changing || err != nil {
		t.Fatal(changing, err)
	}
	if changing, err := s.Look(9); changing || err != nil {
		t.Errorf("a block that is gone: %t, %v", changing, err)
	}
	if s.Last() != 2*perBlock+3 {
		t.Errorf("the last message is %d", s.Last())
	}
}
