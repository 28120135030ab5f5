package jsfile

import (
	"os"
	"testing"
	"time"

	"github.com/omnirelay/omnirelay/store"
)

// TestInspect wants each kind of damage named, and a log that is whole accepted.
func TestInspect(t *testing.T) {
	const end = 2*perBlock + 3
	for _, test := range []struct {
		name   string
		damage func(*rig)
		floor  uint64
		// kind nil: the log is accepted, and ends at message.
		kind    error
		block   uint32
		message uint64
	}{
		{"whole", func(*rig) {}, end, nil, 0, end},
		{"torn behind the floor", func(r *rig) { r.cut(r.Path(3), 10) }, end - 1, nil, 0, end - 1},
		{"torn before the floor", func(r *rig) { r.cut(r.Path(3), 10) }, end, ErrCorrupt, 3, end},
		{"damaged before a whole one", func(r *rig) { r.flip(r.Path(3), 100) }, 0, ErrCorrupt, 3, 2*perBlock + 1},
		{"torn in the middle", func(r *rig) { r.cut(r.Path(2), 10) }, 0, ErrCorrupt, 2, 2 * perBlock},
		{"a length", func(r *rig) { r.flip(r.Path(2), 2) }, 0, ErrCorrupt, 2, perBlock + 1},
		{"a block is gone", func(r *rig) { r.must(os.Remove(r.Path(2))) }, 0, ErrCorrupt, 3, perBlock + 1},
		{"the first is gone", func(r *rig) { r.must(os.Remove(r.Path(1))) }, 0, ErrCorrupt, 2, 1},
		{"the last is gone", func(r *rig) { r.must(os.Remove(r.Path(3))) }, end, store.ErrLogTruncated, 2, 2*perBlock + 1},
		{"a message was deleted", func(r *rig) {
			r.append(3, recordOf(t, stream, 3, (end+1)|erasedBit, nil))
		}, 0, ErrCorrupt, 3, end + 1},
		{"a block of another place", func(r *rig) { r.must(os.Rename(r.Path(3), r.Path(4))) }, end, ErrCorrupt, 4, 2*perBlock + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := logged(t)
			test.damage(r)
			found, err := r.Inspect(test.floor, nil)
			if test.kind != nil {
				wantDamage(t, err, test.kind, r.Path(test.block), test.message)
				return
			}
			if err != nil || found.Last != test.message || len(found.Skipped) > 0 {
				t.Errorf("%+v, %v; want an end at message %d", found, err, test.message)
			}
		})
	}
}

// TestStopVouches: after a clean stop old blocks are not read, and then before their
// messages are.
func TestStopVouches(t *testing.T) {
	r := logged(t)
	stop := r.stop()
	r.flip(r.Path(2), 100)
	found, err := r.Inspect(0, stop)
	if err != nil || len(found.Skipped) != 2 || found.Last != stop.Last {
		t.Fatalf("%+v, %v; want two blocks skipped", found, err)
	}
	unread, err := r.Unread(found)
	r.must(err)
	r.must(unread.Verify(2*perBlock+1, stop.Last))
	r.must(unread.Verify(1, perBlock))
	wantDamage(t, unread.Verify(1, stop.Last), ErrCorrupt, r.Path(2), perBlock+1)
	r.must(os.Remove(r.Path(1))) // was read, and is not again
	r.must(unread.Verify(1, perBlock))
	unread.Done(2)
	r.must(unread.Verify(1, stop.Last))
}

// TestStopDoesNotVouch: a block that is young, or not as it was, is read.
func TestStopDoesNotVouch(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*rig, *Stop)
		kind    error
		block   uint32
		message uint64
	}{
		{"another time", func(r *rig, _ *Stop) {
			r.must(os.Chtimes(r.Path(1), time.Unix(1e9+1, 0), time.Unix(1e9+1, 0)))
		}, ErrCorrupt, 2, perBlock + 1},
		{"young", func(r *rig, stop *Stop) {
			r.must(os.Chtimes(r.Path(2), time.Now(), time.Now()))
			stop.Blocks = r.stop().Blocks
		}, ErrCorrupt, 2, perBlock + 1},
		{"the last one", func(r *rig, _ *Stop) { r.flip(r.Path(3), 100) }, ErrCorrupt, 2, perBlock + 1},
		{"torn, with nothing behind it", func(r *rig, _ *Stop) {
			r.flip(r.Path(2), 100) // back
			r.flip(r.Path(3), -10)
		}, ErrCorrupt, 3, 2*perBlock + 3},
		{"a replica's last one is cut", func(r *rig, stop *Stop) {
			r.flip(r.Path(2), 100) // back
			stop.Last = 0
			r.cut(r.Path(3), len(recordOf(r.t, stream, 3, 1, r.frames[0])))
		}, store.ErrLogTruncated, 3, 2*perBlock + 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := logged(t)
			stop := r.stop()
			r.flip(r.Path(2), 100)
			test.change(r, stop)
			_, err := r.Inspect(0, stop)
			wantDamage(t, err, test.kind, r.Path(test.block), test.message)
		})
	}
}

// TestVerify: of a log in use, what is missing at its end is named.
func TestVerify(t *testing.T) {
	r := logged(t)
	const end = 2*perBlock + 3
	r.must(r.Verify(end, end))
	wantDamage(t, r.Verify(end+1, end+1), store.ErrLogTruncated, r.Path(3), end+1)
	r.flip(r.Path(1), 100)
	wantDamage(t, r.Verify(0, end), ErrCorrupt, r.Path(1), 1)
}
