package kv

// buffers is the memory of a batch. The DB keeps that of the last one for the
// next: a busy server commits hundreds of times in a second.
type buffers struct {
	rows        overlay[*Row]
	written     []*Row          // those that have versions, by first write
	versions    []*versionWrite // in order of writing
	rowSlab     slab[Row]
	versionSlab slab[versionWrite]
	arena       []byte // where values are

	index    overlay[bool] // physical index key → is it there
	appended overlay[*appended]
	series   overlay[*series]
	meta     map[string]metaWrite
	floors   map[tableKey]uint64 // least position that the next write may have
	applied  map[tableKey]uint64 // positions set in this batch
	key      []byte              // scratch
}

func newBuffers() *buffers {
	return &buffers{
		rows:     newOverlay[*Row](),
		index:    newOverlay[bool](),
		appended: newOverlay[*appended](),
		series:   newOverlay[*series](),
		meta:     make(map[string]metaWrite),
		floors:   make(map[tableKey]uint64),
		applied:  make(map[tableKey]uint64),
	}
}

// maxSpare bounds the entries of a batch whose memory is kept: what a large one
// has grown to would never shrink.
const maxSpare = 2 * slabMost

// reset forgets what a batch has written, and reports whether the memory is worth
// keeping. Rows that a caller still holds are no longer valid.
func (b *buffers) reset() bool {
	if len(b.rows.entries)+len(b.index.entries)+len(b.series.entries)+len(b.meta)+len(b.versions) > maxSpare {
		return false
	}
	b.rows.reset()
	b.index.reset()
	b.appended.reset()
	b.series.reset()
	clear(b.meta)
	clear(b.floors)
	clear(b.applied)
	clear(b.written)
	clear(b.versions)
	b.written, b.versions = b.written[:0], b.versions[:0]
	b.rowSlab.reset()
	b.versionSlab.reset()
	if b.arena = b.arena[:0]; cap(b.arena) > arenaMost {
		b.arena = nil // a single value was larger than that
	}
	return true
}
