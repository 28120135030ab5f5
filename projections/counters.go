package projections

import (
	"encoding/binary"
	"fmt"

	"github.com/omnirelay/omnirelay/store/kv"
)

// counters are the numbers that tables keep of their present rows. Memory holds
// those that were touched; a commit writes those that changed since the last.
// They belong to the projector's goroutine.
type counters struct {
	values map[counterID]int64
	dirty  map[counterID]struct{}
	// fresh is a rebuild: nothing on disk counts, and nothing is written before
	// the flip, so that a rebuild that was cut leaves no sum behind.
	fresh bool
}

func newCounters(fresh bool) *counters {
	return &counters{values: map[counterID]int64{}, dirty: map[counterID]struct{}{}, fresh: fresh}
}

// counterID is a counter in memory.
type counterID struct {
	table   uint16
	version uint32
	name    string
}

func (id counterID) key() string {
	return counterKey(kv.Table{ID: id.table, Version: id.version}, id.name)
}

// counterKey is the name of a counter among the meta of the directory.
func counterKey(t kv.Table, name string) string {
	return fmt.Sprintf("counter/%d.%d/%s", t.ID, t.Version, name)
}

func (c *counters) load(b *kv.Batch, id counterID) (int64, error) {
	if v, ok := c.values[id]; ok || c.fresh {
		return v, nil
	}
	data, ok, err := b.Meta(id.key())
	if err != nil || !ok {
		return 0, err
	}
	return decodeCounter(data)
}

func decodeCounter(data []byte) (int64, error) {
	if len(data) != 8 {
		return 0, fmt.Errorf("%w: a counter has %d bytes; allowed are 8", kv.ErrCorrupt, len(data))
	}
	return int64(binary.BigEndian.Uint64(data)), nil
}

func (c *counters) add(b *kv.Batch, t kv.Table, name string, by int64) error {
	id := counterID{t.ID, t.Version, name}
	v, err := c.load(b, id)
	if err == nil && by != 0 {
		c.values[id] = v + by
		c.dirty[id] = struct{}{}
	}
	return err
}

func (c *counters) set(_ *kv.Batch, t kv.Table, name string, to int64) error {
	id := counterID{t.ID, t.Version, name}
	c.values[id] = to
	c.dirty[id] = struct{}{}
	return nil
}

// maxCounters bounds the counters in memory; beyond it those that are written
// are forgotten and read again when needed.
const maxCounters = 1 << 16

// flush writes what changed into a batch.
func (c *counters) flush(b *kv.Batch) {
	for id := range c.dirty {
		if v := c.values[id]; v == 0 {
			b.DeleteMeta(id.key())
		} else {
			b.SetMeta(id.key(), binary.BigEndian.AppendUint64(nil, uint64(v)))
		}
	}
	clear(c.dirty)
	if len(c.values) > maxCounters {
		clear(c.values)
	}
}
