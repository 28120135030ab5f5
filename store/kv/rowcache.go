package kv

// rowCache holds what the current space said about keys as of the last commit,
// including that a row is absent. It belongs to the writer; there is no lock.
//
// Two generations: a hit in the old one moves the row to the young one; when the
// young one has filled half the bound it becomes the old one, and what was old
// is dropped. That keeps what was used lately, costs no list per row, and never
// holds more than the bound plus one row.
type rowCache struct {
	half       int64
	size       int64 // of young
	young, old map[string]pending
}

// rowOverhead is a rough cost of a map entry: the string and slice headers, and
// the table's slack.
const rowOverhead = 96

func newRowCache(bound int64) *rowCache {
	c := &rowCache{half: bound / 2}
	c.clear()
	return c
}

func (c *rowCache) clear() {
	c.size = 0
	c.young = make(map[string]pending)
	c.old = nil
}

// get looks a physical key up. known is false when the cache cannot tell.
func (c *rowCache) get(key []byte) (row pending, known bool) {
	if row, known = c.young[string(key)]; known {
		return row, true
	}
	if row, known = c.old[string(key)]; known {
		k := string(key)
		delete(c.old, k)
		c.put(k, row)
	}
	return row, known
}

// put replaces what is known of a key. The cache keeps key and row.
func (c *rowCache) put(key string, row pending) {
	cost := int64(len(key)+len(row.value)) + rowOverhead
	if was, ok := c.young[key]; ok {
		c.size -= int64(len(key)+len(was.value)) + rowOverhead
		delete(c.young, key)
	}
	delete(c.old, key)
	if cost > c.half {
		return
	}
	if c.size+cost > c.half {
		c.old, c.young, c.size = c.young, make(map[string]pending), 0
	}
	c.young[key] = row
	c.size += cost
}
