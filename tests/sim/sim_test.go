package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// shortSeeds is how many seeds the test command runs.
const shortSeeds = 400

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is no number", name, s)
	}
	return n
}

func rngOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6f6d6e69)) }

// runSeed simulates what a seed draws.
func runSeed(seed uint64, trace func(string, ...any)) (*World, error) {
	rng := rngOf(seed)
	return Run(Draw(rng), rng, trace)
}

// TestSimulation runs the whole protocol under faults: L1, L2, L4 to L6, S1 to S7,
// A1, A2, T1, T2, T4.
func TestSimulation(t *testing.T) {
	if seed := setting(t, "OMNIRELAY_SIM_SEED", 0); seed != 0 {
		if _, err := runSeed(seed, func(f string, a ...any) { fmt.Printf(f+"\n", a...) }); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		return
	}
	first := setting(t, "OMNIRELAY_SIM_FROM", 1)
	count := setting(t, "OMNIRELAY_SIM_SEEDS", shortSeeds)
	var next atomic.Uint64
	next.Store(first)
	var mu sync.Mutex
	did := map[string]int{} // guarded by mu
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for !t.Failed() {
				seed := next.Add(1) - 1
				if count != 0 && seed >= first+count {
					return
				}
				w, err := runSeed(seed, nil)
				mu.Lock()
				for what, n := range w.did {
					did[what] += n
				}
				mu.Unlock()
				if err != nil {
					t.Errorf("seed %d: %v\nrun it alone: OMNIRELAY_SIM_SEED=%d go test ./tests/sim -run TestSimulation", seed, err, seed)
				}
				if seed%1000 == 0 {
					t.Logf("%d seeds", seed-first)
				}
			}
		})
	}
	wg.Wait()
	for _, what := range slices.Sorted(maps.Keys(did)) {
		t.Logf("%8d %s", did[what], what)
	}
}

// TestSameSeedSameLog is T8.
func TestSameSeedSameLog(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, errA := runSeed(seed, nil)
		b, errB := runSeed(seed, nil)
		if errA != nil || errB != nil {
			t.Fatalf("seed %d: %v, %v", seed, errA, errB)
		}
		if a.check.mark != b.check.mark {
			t.Errorf("seed %d gave two logs: %+v and %+v", seed, a.check.mark, b.check.mark)
		}
	}
}
