package harness

import (
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/tests/harness/faultproxy"
)

// Faults are what can be done to what n servers, numbered from 1, send each
// other. Its methods are for one goroutine.
type Faults struct {
	n int
	// change changes the fault of what i sends to j.
	change func(i, j int, change func(*faultproxy.Fault))
}

// CutOneWay lets all that i sends to j vanish.
func (f Faults) CutOneWay(i, j int) {
	f.change(i, j, func(f *faultproxy.Fault) { f.Cut = true })
}

// Delay makes all that i sends to j come later by d, and by up to d/4 more.
func (f Faults) Delay(i, j int, d time.Duration) {
	f.change(i, j, func(f *faultproxy.Fault) { f.Delay, f.Jitter = d, d/4 })
}

// Slow gives what i sends to j a share of loss and a rate in bytes a second; 0
// is none and no limit.
func (f Faults) Slow(i, j int, loss float64, rate int64) {
	f.change(i, j, func(f *faultproxy.Fault) { f.Loss, f.Rate = loss, rate })
}

// Partition cuts both ways between servers of different groups. Servers that no
// group names are one more group. Nodes go on reaching whom they reach.
func (f Faults) Partition(groups ...[]int) {
	group := func(i int) int {
		return slices.IndexFunc(groups, func(g []int) bool { return slices.Contains(g, i) })
	}
	f.each(func(i, j int) {
		if group(i) != group(j) {
			f.CutOneWay(i, j)
		}
	})
}

// Heal ends every fault.
func (f Faults) Heal() {
	f.each(func(i, j int) {
		f.change(i, j, func(f *faultproxy.Fault) { *f = faultproxy.Fault{} })
	})
}

func (f Faults) each(do func(i, j int)) {
	for i := 1; i <= f.n; i++ {
		for j := 1; j <= f.n; j++ {
			if i != j {
				do(i, j)
			}
		}
	}
}
