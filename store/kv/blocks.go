package kv

import (
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// Blocks and tables of the version space carry the range of positions in them. A
// read of the past then passes over tables that hold later versions alone, which
// is what the commits of a catch-up leave behind: each has its own positions, and
// all primary keys.
const positionProperty = "omnirelay.position"

func newPositionCollector() pebble.BlockPropertyCollector {
	return sstable.NewBlockIntervalCollector(positionProperty, positionMapper{}, nil)
}

// positionMapper gives keys without a position, those of other spaces, the empty
// range: they are never read through the filter.
type positionMapper struct{}

func (positionMapper) MapPointKey(key sstable.InternalKey, _ []byte) (sstable.BlockInterval, error) {
	if key.UserKey[0] != byte(spaceVersion) {
		return sstable.BlockInterval{}, nil
	}
	_, pos, err := decodeVersionKey(key.UserKey)
	if err != nil {
		return sstable.BlockInterval{}, err
	}
	return positionsUpTo(pos, pos), nil
}

func (positionMapper) MapRangeKeys(sstable.Span) (sstable.BlockInterval, error) {
	return sstable.BlockInterval{}, nil
}

// positionsUpTo is an interval with its end included, which the last position of
// all cannot be: it shares one with the position before it.
func positionsUpTo(from, to uint64) sstable.BlockInterval {
	if to == math.MaxUint64 {
		return sstable.BlockInterval{Lower: min(from, to-1), Upper: to}
	}
	return sstable.BlockInterval{Lower: from, Upper: to + 1}
}

// versionOptions are those of an iterator that wants no version after a position.
func versionOptions(lower, upper []byte, until uint64) *pebble.IterOptions {
	all := positionsUpTo(0, until)
	// Pebble appends one filter of its own.
	filters := append(make([]pebble.BlockPropertyFilter, 0, 2),
		sstable.NewBlockIntervalFilter(positionProperty, all.Lower, all.Upper, nil))
	return &pebble.IterOptions{LowerBound: lower, UpperBound: upper, PointKeyFilters: filters}
}
