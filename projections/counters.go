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
	values map[counterID]*counter
	dirty  []*counter
	// fresh is a rebuild: nothing on disk counts, and nothing is written before
	// the flip, so that a rebuild that was cut leaves no sum behind.
	fresh bool
}

type counter struct {
	id    counterID
	value int64
	dirty bool
}

func newCounters(fresh bool) *counters {
	return &counters{values: map[counterID]*counter{}, fresh: fresh}
}

// counterID is a counter in memory.
type counterID struct {
	table   uint16
	version uint32
	scope   string
	name    string
}

func (id counterID) key() string {
	return counterKey(kv.Table{ID: id.table, Version: id.version}, CounterName(id.scope, id.name))
}

// CounterName is the name of a counter of a part of a table, for [View.Counter].
// Parts are told from names by a zero byte, which no name has; the counters of
// the table itself have no part.
func CounterName(part, name string) string {
	if part == "" {
		return name
	}
	return part + "\x00" + name
}

// counterKey is the name of a counter among the meta of the directory.
func counterKey(t kv.Table, name string) string {
	return fmt.Sprintf("counter/%d.%d/%s", t.ID, t.Version, name)
}

// find returns a counter, from memory or from disk.
func (c *counters) find(b *kv.Batch, t kv.Table, scope, name string) (*counter, error) {
	id := counterID{t.ID, t.Version, scope, name}
	if n, ok := c.values[id]; ok {
		return n, nil
	}
	n := &counter{id: id}
	if !c.fresh {
		data, ok, err := b.Meta(id.key())
		if err == nil && ok {
			n.value, err = decodeCounter(data)
		}
		if err != nil {
			return nil, err
		}
	}
	c.values[id] = n
	return n, nil
}

func decodeCounter(data []byte) (int64, error) {
	if len(data) != 8 {
		return 0, fmt.Errorf("%w: a counter has %d bytes; allowed are 8", kv.ErrCorrupt, len(data))
	}
	return int64(binary.BigEndian.Uint64(data)), nil
}

func (c *counters) add(b *kv.Batch, t kv.Table, scope, name string, by int64) error {
	n, err := c.find(b, t, scope, name)
	if err == nil && by != 0 {
		c.change(n, n.value+by)
	}
	return err
}

func (c *counters) set(b *kv.Batch, t kv.Table, scope, name string, to int64) error {
	n, err := c.find(b, t, scope, name)
	if err == nil {
		c.change(n, to)
	}
	return err
}

func (c *counters) change(n *counter, to int64) {
	n.value = to
	if !n.dirty {
		n.dirty = true
		c.dirty = append(c.dirty, n)
	}
}

// maxCounters bounds the counters in memory; beyond it those that are written
// are forgotten and read again when needed.
const maxCounters = 1 << 16

// flush writes what changed into a batch.
func (c *counters) flush(b *kv.Batch) {
	for _, n := range c.dirty {
		n.dirty = false
		if n.value == 0 {
			b.DeleteMeta(n.id.key())
		} else {
			b.SetMeta(n.id.key(), binary.BigEndian.AppendUint64(nil, uint64(n.value)))
		}
	}
	c.dirty = c.dirty[:0]
	if len(c.values) > maxCounters {
		clear(c.values)
	}
}
