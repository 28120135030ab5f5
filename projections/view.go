package projections

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/kv"
)

// View is the state of all tables at the end of one decision. It is for a
// request, not for a lifetime: it holds disk space. Release it once.
type View struct {
	// Mark is the place on the log that the view shows: log id, era, position
	// of a decision's end, time.
	Mark store.Mark

	snap   *kv.Snapshot
	tables map[uint16]kv.Table // the version that serves, by id
	refs   atomic.Int64
}

// Position is the last position that the view shows.
func (v *View) Position() events.Position { return v.Mark.Position }

// acquire takes a reference unless the last one is gone.
func (v *View) acquire() bool {
	for {
		n := v.refs.Load()
		if n == 0 {
			return false
		}
		if v.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives the view up. It must not be used after.
func (v *View) Release() {
	if v.refs.Add(-1) == 0 {
		// The error of closing a snapshot would be Pebble's about an iterator that
		// is still open, which is a bug of ours and shows when the DB closes.
		_ = v.snap.Close()
	}
}

func (v *View) table(id uint16) (kv.Table, error) {
	t, ok := v.tables[id]
	if !ok {
		return t, fmt.Errorf("projections: table %d: %w", id, ErrNotReady)
	}
	return t, nil
}

// Range says which rows a list visits; see [kv.Range].
type Range = kv.Range

// Get returns a row as it was at a position, and the position that wrote it.
// at is 0 for now, or came from [View.AsOf].
func (v *View) Get(id uint16, pk []byte, at events.Position) (row []byte, written events.Position, ok bool, err error) {
	t, err := v.table(id)
	if err != nil {
		return nil, 0, false, err
	}
	var pos uint64
	if v.now(at) {
		row, pos, ok, err = v.snap.Get(t, pk)
	} else {
		row, pos, ok, err = v.snap.GetAt(t, pk, uint64(at))
	}
	return row, events.Position(pos), ok, err
}

func (v *View) now(at events.Position) bool { return at == 0 || at >= v.Mark.Position }

// List visits rows in the order of their keys, as they were at a position (0 is
// now), until fn returns false. pk and row are valid during the call.
func (v *View) List(id uint16, r Range, at events.Position, fn func(pk, row []byte) bool) error {
	t, err := v.table(id)
	if err != nil {
		return err
	}
	if v.now(at) {
		return v.snap.List(t, r, fn)
	}
	return v.snap.ListAt(t, r, uint64(at), fn)
}

// IndexScan visits index keys, in order. An index knows the present alone.
func (v *View) IndexScan(id uint16, r Range, fn func(key []byte) bool) error {
	t, err := v.table(id)
	if err != nil {
		return err
	}
	return v.snap.IndexScan(t, r, fn)
}

// Series visits the decisions of a series after a position, ascending, until fn
// returns false.
func (v *View) Series(id uint16, name []byte, after events.Position, fn func(decision events.Position) bool) error {
	t, err := v.table(id)
	if err != nil {
		return err
	}
	return v.snap.Series(t, name, uint64(after), func(n uint64) bool { return fn(events.Position(n)) })
}

// EachSeries visits all decisions of all series of a table, by name.
func (v *View) EachSeries(id uint16, fn func(name []byte, decision events.Position) bool) error {
	t, err := v.table(id)
	if err != nil {
		return err
	}
	return v.snap.EachSeries(t, func(name []byte, n uint64) bool { return fn(name, events.Position(n)) })
}

// History visits the versions of a row written at positions from to to, both
// included, newest first. A deletion has no row.
func (v *View) History(id uint16, pk []byte, from, to events.Position, fn func(p events.Position, row []byte, deleted bool) bool) error {
	t, err := v.table(id)
	if err != nil {
		return err
	}
	to = min(to, v.Mark.Position)
	return v.snap.History(t, pk, uint64(from), uint64(to), func(pos uint64, row []byte, deleted bool) bool {
		return fn(events.Position(pos), row, deleted)
	})
}

// Changes visits the changes at positions after from, up to and including to,
// in order of position, then of primary key, until fn returns false.
func (v *View) Changes(id uint16, from, to events.Position, fn func(c *kv.Change) bool) error {
	t, err := v.table(id)
	if err != nil {
		return err
	}
	return v.snap.Changes(t, uint64(from), uint64(min(to, v.Mark.Position)), fn)
}

// Counter returns a counter of a table, 0 if it was never set.
func (v *View) Counter(id uint16, name string) (int64, error) {
	t, err := v.table(id)
	if err != nil {
		return 0, err
	}
	data, ok, err := v.snap.Meta(counterKey(t, name))
	if err != nil || !ok {
		return 0, err
	}
	return decodeCounter(data)
}

// ErrNotReady: no view has been published yet; the projector is still catching
// up with its first one, or with a table that is new.
var ErrNotReady = errors.New("projection is not ready")

// AheadError says that a position is beyond what the view shows.
type AheadError struct{ Position, Head events.Position }

func (e *AheadError) Error() string {
	return fmt.Sprintf("position %d is beyond the head, %d", e.Position, e.Head)
}

// VoidError says that a position lies in a hole that an era declared.
type VoidError struct{ Position, Restored, Next events.Position }

func (e *VoidError) Error() string {
	return fmt.Sprintf("position_void: position %d was lost with an earlier era; positions after %d and before %d are void", e.Position, e.Restored, e.Next)
}
