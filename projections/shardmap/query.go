package shardmap

import (
	"encoding/base64"
	"errors"
	"fmt"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
	"github.com/omnirelay/omnirelay/store/kv"
)

// ErrCursor: a cursor that no list has given out.
var ErrCursor = errors.New("cursor is not one that a list of shards gave out")

// Get returns a shard as it was at a position (0 is now); ok is false when it
// did not exist.
func Get(v *projections.View, namespace, id string, at events.Position) (r *controlv1.ShardRecord, ok bool, err error) {
	raw, ok, err := GetRaw(v, namespace, id, at)
	if err != nil || !ok {
		return nil, false, err
	}
	r, err = Codec{}.Parse(raw)
	return r, err == nil, err
}

// GetRaw is Get without decoding: a marshalled ShardRecord.
func GetRaw(v *projections.View, namespace, id string, at events.Position) (row []byte, ok bool, err error) {
	n, ok := parseID(id)
	if !ok {
		return nil, false, nil
	}
	row, _, ok, err = v.Get(ID, shardKey(namespace, n), at)
	return row, ok, err
}

// Page is a part of a list.
type Page struct {
	// Rows are marshalled ShardRecords, by namespace and number.
	Rows [][]byte
	// Next is the cursor of the next page, empty at the end.
	Next string
}

// Decode returns the rows as messages.
func (p Page) Decode() ([]*controlv1.ShardRecord, error) {
	out := make([]*controlv1.ShardRecord, 0, len(p.Rows))
	for _, raw := range p.Rows {
		r, err := Codec{}.Parse(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// List returns up to limit rows (at least 1) that pass the filter, after a
// cursor, as they were at a position (0 is now).
func List(v *projections.View, f Filter, cursor string, limit int, at events.Position) (Page, error) {
	after, err := decodeCursor(cursor)
	if err != nil {
		return Page{}, err
	}
	var page Page
	var arena []byte // rows are copied into few large pieces
	var last []byte
	err = scan(v, f, after, at, func(pk, raw []byte) bool {
		if len(page.Rows) == limit {
			page.Next = base64.RawURLEncoding.EncodeToString(last)
			return false
		}
		if cap(arena)-len(arena) < len(raw) {
			arena = make([]byte, 0, max(arenaSize, len(raw)))
		}
		start := len(arena)
		arena = append(arena, raw...)
		page.Rows = append(page.Rows, arena[start:len(arena):len(arena)])
		last = append(last[:0], pk...)
		return true
	})
	return page, err
}

const arenaSize = 64 << 10

func decodeCursor(cursor string) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	pk, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	r := kv.ReadKey(pk)
	_, _ = r.String(), r.Uint32()
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return pk, nil
}

// Each visits the shards that pass the filter, by namespace and number, until
// fn returns false. row is valid during the call.
func Each(v *projections.View, f Filter, at events.Position, fn func(row []byte) bool) error {
	return scan(v, f, nil, at, func(_, raw []byte) bool { return fn(raw) })
}

// scan visits rows after a primary key, by the way that reads least.
func scan(v *projections.View, f Filter, after []byte, at events.Position, fn func(pk, raw []byte) bool) error {
	if f.Owner != "" && (at == 0 || at >= v.Position()) {
		return scanOwner(v, f, after, fn)
	}
	if f.Involves != "" && (at == 0 || at >= v.Position()) {
		return scanInvolved(v, f, after, fn)
	}
	r := projections.Range{After: after}
	if f.Namespace != "" {
		r.Prefix = namespaceKey(f.Namespace)
	}
	var bad error
	err := v.List(ID, r, at, func(pk, raw []byte) bool {
		if f.narrow() {
			row, err := Codec{}.Parse(raw)
			if err != nil {
				bad = err
				return false
			}
			if !f.Match(row) {
				return true
			}
		}
		return fn(pk, raw)
	})
	return errors.Join(err, bad)
}

// scanOwner goes by the index of owners, which knows the present alone.
func scanOwner(v *projections.View, f Filter, after []byte, fn func(pk, raw []byte) bool) error {
	owner := ownerKey(f.Owner)
	r := projections.Range{Prefix: owner}
	if f.Namespace != "" {
		r.Prefix = owner.String(f.Namespace)
	}
	if len(after) > 0 {
		r.After = append(append(kv.Key{}, owner...), after...)
	}
	var bad error
	err := v.IndexScan(ID, r, func(key []byte) bool {
		pk := key[len(owner):]
		raw, _, ok, err := v.Get(ID, pk, 0)
		if err != nil || !ok {
			bad = err
			return err == nil
		}
		row, err := Codec{}.Parse(raw)
		if err != nil {
			bad = err
			return false
		}
		return !f.Match(row) || fn(pk, raw)
	})
	return errors.Join(err, bad)
}

// Counts are numbers of shards at present.
type Counts struct {
	Total, Unowned, Moving int64
	// Quarantined are disabled and unowned; so are those of a namespace that is
	// being deleted, which are not counted here.
	Quarantined int64
	ByStatus    map[controlv1.ShardStatus]int64
	// Changed is the last position that changed any of them: the ETag of a list.
	Changed events.Position
}

// Count returns the counts of a namespace, or with "" of all.
func Count(v *projections.View, namespace string) (Counts, error) {
	c := Counts{ByStatus: map[controlv1.ShardStatus]int64{}}
	var err error
	read := func(what string) int64 {
		n, e := v.Counter(ID, projections.CounterName(namespace, what))
		err = errors.Join(err, e)
		return n
	}
	c.Total, c.Unowned, c.Moving = read(counterTotal), read(counterUnowned), read(counterMoving)
	c.Quarantined = read(counterQuarantined)
	c.Changed = events.Position(read(counterChanged))
	for number := range controlv1.ShardStatus_name {
		status := controlv1.ShardStatus(number)
		if n := read(statusCounter(status)); n != 0 {
			c.ByStatus[status] = n
		}
	}
	return c, err
}
