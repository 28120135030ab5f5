package member

import (
	"slices"
	"strings"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// A table of a namespace is immutable: readers take it and need no lock. It is
// made of pages, so that a change copies one page and the list of pages, some
// ten kilobytes for 100,000 shards, and a decision copies each page once.

// pageSize is the number of shards of a page.
const pageSize = 512

// cell is where a shard is. owner is an index of the table's nodes; noRow says
// that there is no such shard.
type cell struct {
	fence   int64
	owner   int32
	overlap bool
	// readers is an index of the table's sets; 0 is none.
	readers int32
}

const (
	noOwner int32 = -1
	noRow   int32 = -2
)

type page [pageSize]cell

// maxSets is the number of sets of readers below which none is dropped.
const maxSets = 1024

// table says who owns the shards of a namespace.
type table struct {
	count    uint32 // shards 0 … count-1
	pages    []*page
	nodes    []string
	sets     [][]string // who reads; the first is nobody
	position int64
}

func (t *table) cell(shard uint32) cell { return t.pages[shard/pageSize][shard%pageSize] }

// builder makes tables. It has one owner.
type builder struct {
	t     table
	index map[string]int32
	// sets are those of readers, by their names.
	sets map[string]int32
	// own are the pages that no table which was given out has.
	own  map[uint32]struct{}
	gone bool // a row went since the last table
	// dirty: something changed since the last table.
	dirty bool
}

func newBuilder() *builder {
	return &builder{t: table{sets: [][]string{nil}}, index: map[string]int32{}, sets: map[string]int32{"": 0}, own: map[uint32]struct{}{}}
}

// set takes a row.
func (b *builder) set(shard uint32, rec *controlv1.ShardRecord) {
	c := cell{owner: noOwner, fence: rec.GetFenceToken(), overlap: rec.GetOverlap()}
	if id := rec.GetOwnerNodeId(); id != "" {
		c.owner = b.node(id)
	}
	c.readers = b.readers(rec.GetReaderNodeIds())
	*b.at(shard) = c
	b.t.count = max(b.t.count, shard+1)
	b.dirty = true
}

// remove takes a row away.
func (b *builder) remove(shard uint32) {
	if shard >= b.t.count {
		return
	}
	*b.at(shard) = cell{owner: noRow}
	b.gone, b.dirty = true, true
}

// node is the index of a node. The list only grows: nodes that went are few
// beside shards, and a new list would be a copy of everything.
func (b *builder) node(id string) int32 {
	i, ok := b.index[id]
	if !ok {
		i = int32(len(b.t.nodes))
		b.index[id] = i
		// Appending writes behind the end of what was given out.
		b.t.nodes = append(b.t.nodes, id)
	}
	return i
}

// readers is the index of a set of readers. Shards share few sets beside those that
// were and are no more; table drops those.
func (b *builder) readers(nodes []string) int32 {
	key := strings.Join(nodes, " ")
	i, ok := b.sets[key]
	if !ok {
		i = int32(len(b.t.sets))
		b.sets[key] = i
		b.t.sets = append(b.t.sets, nodes)
	}
	return i
}

// sweep makes the list of sets anew, from those that shards have.
func (b *builder) sweep() {
	old := b.t.sets
	b.t.sets, b.sets = [][]string{nil}, map[string]int32{"": 0}
	for shard := range b.t.count {
		if c := b.t.cell(shard); c.readers != 0 {
			b.at(shard).readers = b.readers(old[c.readers])
		}
	}
}

// at is a cell to be written.
func (b *builder) at(shard uint32) *cell {
	n := shard / pageSize
	for uint32(len(b.t.pages)) <= n {
		p := new(page)
		for i := range p {
			p[i].owner = noRow
		}
		b.own[uint32(len(b.t.pages))] = struct{}{}
		b.t.pages = append(b.t.pages, p)
	}
	if _, ok := b.own[n]; !ok {
		p := *b.t.pages[n]
		b.t.pages[n] = &p
		b.own[n] = struct{}{}
	}
	return &b.t.pages[n][shard%pageSize]
}

// table gives out what was built.
func (b *builder) table(position int64) *table {
	if b.gone {
		b.gone = false
		b.shrink()
	}
	if len(b.t.sets) > maxSets && len(b.t.sets) > 2*int(b.t.count) {
		b.sweep()
	}
	b.dirty = false
	clear(b.own)
	b.t.position = position
	t := b.t
	b.t.pages = slices.Clone(t.pages)
	return &t
}

// shrink forgets the shards behind the last that there is.
func (b *builder) shrink() {
	for b.t.count > 0 && b.t.cell(b.t.count-1).owner == noRow {
		b.t.count--
	}
	b.t.pages = b.t.pages[:(b.t.count+pageSize-1)/pageSize]
}
