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
	values map[string]int64
	dirty  map[string]struct{}
	// fresh is a rebuild: nothing on disk counts, and nothing is written before
	// the flip, so that a rebuild that was cut leaves no sum behind.
	fresh bool
}

func newCounters(fresh bool) *counters {
	return &counters{values: map[string]int64{}, dirty: map[string]struct{}{}, fresh: fresh}
}

// counterKey is the name of a counter among the meta of the directory.
func counterKey(t kv.Table, name string) string {
	return fmt.Sprintf("counter/%d.%d/%s", t.ID, t.Version, name)
}

func (c *counters) load(b *kv.Batch, key string) (int64, error) {
	if v, ok := c.values[key]; ok || c.fresh {
		return v, nil
	}
	data, ok, err := b.Meta(key)
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
	key := counterKey(t, name)
	v, err := c.load(b, key)
	if err == nil && by != 0 {
		c.values[key] = v + by
		c.dirty[key] = struct{}{}
	}
	return err
}

func (c *counters) set(_ *kv.Batch, t kv.Table, name string, to int64) error {
	key := counterKey(t, name)
	c.values[key] = to
	c.dirty[key] = struct{}{}
	return nil
}

// maxCounters bounds the counters in memory; beyond it those that are written
// are forgotten and read again when needed.
const maxCounters = 1 << 16

// flush writes what changed into a batch.
func (c *counters) flush(b *kv.Batch) {
	for key := range c.dirty {
		if v := c.values[key]; v == 0 {
			b.DeleteMeta(key)
		} else {
			b.SetMeta(key, binary.BigEndian.AppendUint64(nil, uint64(v)))
		}
	}
	clear(c.dirty)
	if len(c.values) > maxCounters {
		clear(c.values)
	}
}
