package placement

import "github.com/cespare/xxhash/v2"

// The hashes below place shards and keys; all are fixed for ever (promise 9).
// xxHash64 with seed 0 reads names; mix spreads what is derived from them. The
// prefixes keep a node and a namespace of the same name apart, which would
// otherwise share their sequences of hashes.

func nodeHash(id string) uint64        { return xxhash.Sum64String("node\x00" + id) }
func namespaceHash(name string) uint64 { return xxhash.Sum64String("namespace\x00" + name) }

// nth is the n-th hash of the sequence that a name's hash begins: SplitMix64
// (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
// with the name's hash as seed, read at position n.
func nth(seed uint64, n int) uint64 { return mix(seed + (uint64(n)+1)*0x9e3779b97f4a7c15) }

// mix is SplitMix64's finaliser, a bijection.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
