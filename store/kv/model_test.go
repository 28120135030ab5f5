package kv

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// model keeps every version in a slice and answers by looking at all of them.
type model struct {
	versions []modelVersion // in order of writing
	index    map[string]bool
	position uint64
}

type modelVersion struct {
	PK      string
	Pos     uint64
	Row     string
	Deleted bool
}

func (m *model) clone() *model {
	return &model{slices.Clone(m.versions), maps.Clone(m.index), m.position}
}

func (m *model) set(v modelVersion) {
	m.versions = slices.DeleteFunc(m.versions, func(o modelVersion) bool { return o.PK == v.PK && o.Pos == v.Pos })
	m.versions = append(m.versions, v)
}

// at returns the newest version of pk at or before pos.
func (m *model) at(pk string, pos uint64) (best modelVersion, found bool) {
	for _, v := range m.versions {
		if v.PK == pk && v.Pos <= pos && (!found || v.Pos > best.Pos) {
			best, found = v, true
		}
	}
	return best, found
}

func (m *model) list(r Range, pos uint64) []string {
	var out []string
	for _, pk := range m.keys() {
		v, found := m.at(pk, pos)
		if !found || v.Deleted || !bytes.HasPrefix([]byte(pk), r.Prefix) || len(r.After) > 0 && pk <= string(r.After) {
			continue
		}
		if out = append(out, pk+"="+v.Row); len(out) == r.Limit {
			break
		}
	}
	return out
}

func (m *model) keys() []string {
	set := make(map[string]bool)
	for _, v := range m.versions {
		set[v.PK] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func (m *model) history(pk string, from, to uint64) []modelVersion {
	out := slices.DeleteFunc(slices.Clone(m.versions), func(v modelVersion) bool {
		return v.PK != pk || v.Pos < from || v.Pos > to
	})
	slices.SortFunc(out, func(a, b modelVersion) int { return cmp.Compare(b.Pos, a.Pos) })
	return out
}

// changes renders each change with the row before it.
func (m *model) changes(from, to uint64) []string {
	all := slices.DeleteFunc(slices.Clone(m.versions), func(v modelVersion) bool { return v.Pos <= from || v.Pos > to })
	slices.SortFunc(all, func(a, b modelVersion) int {
		return cmp.Or(cmp.Compare(a.Pos, b.Pos), cmp.Compare(a.PK, b.PK))
	})
	var out []string
	for _, v := range all {
		prev, found := m.at(v.PK, v.Pos-1)
		out = append(out, renderChange(v, prev.Row, found && !prev.Deleted))
	}
	return out
}

func renderChange(v modelVersion, prev string, hasPrev bool) string {
	return fmt.Sprintf("%d %q %x %v prev %x %v", v.Pos, v.PK, v.Row, v.Deleted, prev, hasPrev)
}

const modelMax = 1 << 40 // a position beyond all

// Keys are few, share prefixes and hold the bytes that the layout gives a
// meaning to, so that they collide.
func genPK() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00\x09", "a\x09", "ab", "b\x01",
		"\xff", "\xff\xff", "\x09", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\x09"})
}

func genRow() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
			return string(bytes.Repeat([]byte{rapid.Byte().Draw(t, "fill")}, 1<<10+1))
		}
		return string(rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "row"))
	})
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewMem()
		cfg := quiet()
		cfg.Ingest = rapid.SampledFrom([]int64{1, 300, 1 << 20}).Draw(rt, "ingest")
		db := openWith(t, fs, cfg)
		defer func() { _ = db.Close() }()
		m := &model{index: make(map[string]bool)}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				must(rt, db.Close())
				db = openWith(t, fs, cfg)
			case 1:
				must(rt, db.Flush())
			case 2:
				db.rows.clear()
			default:
				m = stepBatch(rt, db, m)
			}
			compare(rt, db, m)
		}
	})
}

// stepBatch writes one batch to both and returns the model after it.
func stepBatch(t *rapid.T, db *DB, before *model) *model {
	m := before.clone()
	b, err := db.NewBatch()
	must(t, err)
	pos := max(m.position, 1)
	for range rapid.IntRange(0, 12).Draw(t, "writes") {
		if rapid.IntRange(0, 5).Draw(t, "preload") == 0 {
			must(t, b.Preload(modelTable(), []byte(genPK().Draw(t, "first")), []byte(genPK().Draw(t, "last"))))
		}
		pos += uint64(rapid.IntRange(0, 2).Draw(t, "advance"))
		writeOne(t, b, m, pos)
	}
	r := Range{Prefix: []byte(rapid.SampledFrom([]string{"", "a", "\x00", "\xff"}).Draw(t, "own prefix"))}
	var own []string
	must(t, b.ScanCurrent(modelTable(), r.Prefix, func(pk, row []byte) bool {
		own = append(own, string(pk)+"="+string(row))
		return true
	}))
	same(t, "rows in the batch", own, m.list(r, modelMax))
	if rapid.IntRange(0, 5).Draw(t, "abandon") == 0 {
		b.Close()
		return before
	}
	b.SetPosition(modelTable(), pos)
	m.position = pos
	must(t, b.Commit())
	return m
}

func writeOne(t *rapid.T, b *Batch, m *model, pos uint64) {
	pk := genPK().Draw(t, "pk")
	was, found := m.at(pk, modelMax)
	row, ok, err := b.GetCurrent(modelTable(), []byte(pk))
	must(t, err)
	same(t, "own row", string(row), was.Row)
	same(t, "own row exists", ok, found && !was.Deleted)
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0, 1:
		b.Delete(modelTable(), []byte(pk), pos)
		if ok {
			m.set(modelVersion{PK: pk, Pos: pos, Deleted: true})
		}
	case 2:
		b.IndexPut(modelTable(), []byte(pk))
		m.index[pk] = true
	case 3:
		b.IndexDelete(modelTable(), []byte(pk))
		delete(m.index, pk)
	default:
		value := genRow().Draw(t, "value")
		b.Put(modelTable(), []byte(pk), pos, []byte(value))
		m.set(modelVersion{PK: pk, Pos: pos, Row: value})
	}
	must(t, b.Err())
}

func modelTable() Table { return Table{ID: 3, Name: "model", Version: 2} }

// compare asks both everything.
func compare(t *rapid.T, db *DB, m *model) {
	s, err := db.Snapshot()
	must(t, err)
	defer s.Close()
	pos, err := s.Position(modelTable())
	must(t, err)
	same(t, "position", pos, m.position)
	compareRows(t, s, m)
	compareLists(t, s, m)

	from := rapid.Uint64Range(0, m.position+1).Draw(t, "from")
	to := rapid.Uint64Range(0, m.position+1).Draw(t, "to")
	var got []string
	must(t, s.Changes(modelTable(), from, to, func(c *Change) bool {
		prev, ok, err := c.Prev()
		must(t, err)
		v := modelVersion{string(c.PK), c.Position, string(c.Row), c.Deleted}
		got = append(got, renderChange(v, string(prev), ok))
		return true
	}))
	same(t, "changes", got, m.changes(from, to))
}

func compareRows(t *rapid.T, s *Snapshot, m *model) {
	for _, pk := range append(m.keys(), "never") {
		now, found := m.at(pk, modelMax)
		row, pos, ok, err := s.Get(modelTable(), []byte(pk))
		must(t, err)
		same(t, "exists", ok, found && !now.Deleted)
		if ok {
			same(t, "current", modelVersion{pk, pos, string(row), false}, now)
		}
		at := rapid.Uint64Range(0, m.position+1).Draw(t, "at")
		then, found := m.at(pk, at)
		row, pos, ok, err = s.GetAt(modelTable(), []byte(pk), at)
		must(t, err)
		same(t, "existed", ok, found && !then.Deleted)
		same(t, "row then", string(row), then.Row)
		same(t, "written at", pos, then.Pos)

		var got []modelVersion
		must(t, s.History(modelTable(), []byte(pk), at/2, at, func(pos uint64, row []byte, deleted bool) bool {
			got = append(got, modelVersion{pk, pos, string(row), deleted})
			return true
		}))
		same(t, "history", got, m.history(pk, at/2, at))
	}
}

func compareLists(t *rapid.T, s *Snapshot, m *model) {
	r := Range{
		Prefix: []byte(rapid.SampledFrom([]string{"", "a", "a\x00", "\x00", "\xff", "zz"}).Draw(t, "prefix")),
		After:  []byte(rapid.OneOf(rapid.Just(""), genPK()).Draw(t, "after")),
		Limit:  rapid.IntRange(0, 4).Draw(t, "limit"),
	}
	var got []string
	collect := func(pk, row []byte) bool {
		got = append(got, string(pk)+"="+string(row))
		return true
	}
	must(t, s.List(modelTable(), r, collect))
	same(t, "list", got, m.list(r, modelMax))

	at := rapid.Uint64Range(0, m.position+1).Draw(t, "list at")
	got = nil
	must(t, s.ListAt(modelTable(), r, at, collect))
	same(t, "list at", got, m.list(r, at))

	var keys []string
	must(t, s.IndexScan(modelTable(), Range{}, func(key []byte) bool {
		keys = append(keys, string(key))
		return true
	}))
	same(t, "index", keys, slices.Sorted(maps.Keys(m.index)))
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t *rapid.T, what string, got, want T) {
	t.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
