package placement

import "math/bits"

// math.Log is written in assembly on some machines and in Go on others, and may
// differ in the last bit; promise 1 needs one that cannot. This one is integer:
// the leading bits of the mantissa index a table, the rest interpolates.
const (
	logFraction = 40 // fractional bits of a cost
	logIndex    = 12 // bits of the mantissa that index the table
)

// logTable holds log₂(1 + i/2^logIndex) in units of 2^-logFraction. It is made
// anew where it is needed (under a millisecond) rather than kept in a package
// variable. Interpolation is off by at most 1.1e-8.
type logTable [1<<logIndex + 1]uint64

func newLogTable() *logTable {
	t := &logTable{}
	for i := range 1 << logIndex {
		t[i] = log2(1<<63 + uint64(i)<<(63-logIndex))
	}
	t[1<<logIndex] = 1 << logFraction
	return t
}

// log2 returns log₂(m/2^63) for m of at least 2^63, rounded down, by squaring:
// each square doubles the logarithm, and its whole part is the next bit.
func log2(m uint64) uint64 {
	var out uint64
	for range logFraction {
		hi, lo := bits.Mul64(m, m) // (m/2^63)² = hi:lo / 2^126
		out <<= 1
		if hi>>63 == 1 {
			out |= 1
			m = hi
		} else {
			m = hi<<1 | lo>>63
		}
	}
	return out
}

// cost returns −log₂(draw/2^64) in units of 2^-logFraction: 0 for the highest
// draws, at most 64·2^logFraction, never rising while draw rises. A draw of 0
// costs as much as a draw of 1.
func (t *logTable) cost(draw uint64) uint64 {
	draw = max(draw, 1)
	zeros := bits.LeadingZeros64(draw)
	m := draw << zeros << 1 // the mantissa without its leading one, as a fraction of 2^64
	i := m >> (64 - logIndex)
	rest := m << logIndex >> 40 // 24 bits of what the index leaves
	mantissa := t[i] + (t[i+1]-t[i])*rest>>24
	return uint64(zeros+1)<<logFraction - mantissa
}
