package kv

// pending is what the current space holds of a key, or will hold; present is
// false for a row that is not there.
type pending struct {
	value   []byte
	decoded any // what the caller made of value; nil when it did not say
	pos     uint64
	present bool
}

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

const (
	// rowOverhead is a rough cost of a map entry: the string and slice headers,
	// and the table's slack.
	rowOverhead = 96
	// decodedCost is about what a decoded row takes for each byte of its encoded
	// form, and decodedOverhead what the smallest takes. A ShardRecord of 130
	// bytes is a struct of 300, a timestamp and seven strings.
	decodedCost     = 2
	decodedOverhead = 400
)

// cost is about what a cached row takes in memory.
func (p pending) cost(key string) int64 {
	n := len(key) + len(p.value) + rowOverhead
	if p.decoded != nil {
		n += decodedCost*len(p.value) + decodedOverhead
	}
	return int64(n)
}

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
		c.put(string(key), row)
	}
	return row, known
}

// put replaces what is known of a key. The cache keeps key and row.
func (c *rowCache) put(key string, row pending) {
	cost := row.cost(key)
	if was, ok := c.young[key]; ok {
		c.size -= was.cost(key)
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
