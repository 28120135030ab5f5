package placement

import "github.com/cespare/xxhash/v2"

// ShardForKey returns the shard, 0 … shardCount-1, that a key belongs to. It is
// fixed for ever and needs no state: every client, in any language, computes it
// alike, as the jump consistent hash (Lamping, Veach: A Fast, Minimal Memory,
// Consistent Hash Algorithm, 2014) of the key's xxHash64 with seed 0.
//
// Jump rather than a remainder, because shardCount may grow: from n to m shards
// the share (m−n)/m of the keys changes shard, all of them to new shards, where
// a remainder would move nearly every key.
//
// A shardCount of 0 is read as 1. It must be at most MaxShards.
func ShardForKey(key string, shardCount uint32) uint32 {
	return jump(xxhash.Sum64String(key), shardCount)
}

// ShardForKeyBytes is ShardForKey for a key in bytes.
func ShardForKeyBytes(key []byte, shardCount uint32) uint32 {
	return jump(xxhash.Sum64(key), shardCount)
}

// jump is the published function, floats included, so that other libraries
// agree. Its only float operations are one quotient and one product, each
// correctly rounded and with nothing added, so all machines agree too.
func jump(key uint64, buckets uint32) uint32 {
	var b, j int64
	for j < int64(buckets) {
		b = j
		key = key*2862933555777941757 + 1
		j = int64(float64(b+1) * (float64(1<<31) / float64(key>>33+1)))
	}
	return uint32(b)
}
