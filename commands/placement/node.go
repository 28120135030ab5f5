package placement

import (
	"fmt"
	"math"
)

// Weight is a node's share relative to the others, in thousandths: integers,
// so that no rounding differs between machines. Its bounds keep every product
// in this package within 63 bits.
type Weight uint32

const (
	One       Weight = 1_000   // an ordinary node
	MinWeight Weight = 1       // 0.001
	MaxWeight Weight = 100_000 // 100
)

// WeightOf converts a weight as users write it to the nearest thousandth.
// It refuses NaN and whatever rounds to a value outside 0.001 to 100.
func WeightOf(w float64) (Weight, error) {
	// One multiplication and an exact rounding: nothing to fuse (promise 1).
	t := math.RoundToEven(w * 1000)
	if !(t >= float64(MinWeight) && t <= float64(MaxWeight)) {
		return 0, fmt.Errorf("%w: weight %v is outside 0.001 to 100", ErrInvalid, w)
	}
	return Weight(t), nil
}

// Node is an eligible owner. The zero Weight is read as One.
type Node struct {
	ID     string
	Weight Weight
	// Region, Zone and Labels are what rules and the strategy locality look at.
	Region, Zone string
	Labels       map[string]string
}
