package shardmap

import (
	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/projections"
)

// CountAt returns the counts of a namespace, or with "" of all, as of a
// position, without Changed. It reads every row, for the counters know the
// present alone.
func CountAt(v *projections.View, namespace string, at events.Position) (Counts, error) {
	c := Counts{ByStatus: map[controlv1.ShardStatus]int64{}}
	var bad error
	err := Each(v, Filter{Namespace: namespace}, at, func(raw []byte) bool {
		r, err := Codec{}.Parse(raw)
		if err != nil {
			bad = err
			return false
		}
		c.Total++
		c.ByStatus[r.Status]++
		if r.OwnerNodeId == "" {
			c.Unowned++
		}
		if moving(r) {
			c.Moving++
		}
		if r.QuarantinedAt != nil {
			c.Quarantined++
		}
		return true
	})
	if err == nil {
		err = bad
	}
	return c, err
}
