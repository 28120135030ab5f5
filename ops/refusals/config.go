package refusals

import (
	"fmt"
	"time"
)

// Config bounds what is kept. What one batch may hold fits ids; see [idsPerBatch].
type Config struct {
	// Every is the shortest time between two stored batches, and the longest that
	// a refusal waits for one while the store is well.
	Every time.Duration
	// CountEvery is the shortest time between two batches with counts.
	CountEvery time.Duration
	// Burst is how many records of its own a principal has at once, Rate how many
	// more each second.
	Burst int
	Rate  int
	// MaxWaiting bounds the records that wait to be stored, MaxBatch those of one
	// batch, MaxBatchBytes its size.
	MaxWaiting    int
	MaxBatch      int
	MaxBatchBytes int
	// MaxPrincipals bounds the principals that are told apart for their rate,
	// MaxCounts the principals and reasons that are counted apart.
	MaxPrincipals int
	MaxCounts     int
}

// DefaultConfig keeps an hour and more of one principal's flood in the 64 MiB
// that the stream has.
func DefaultConfig() Config {
	return Config{
		Every: 100 * time.Millisecond, CountEvery: time.Second, Burst: 200, Rate: 20,
		MaxWaiting: 4096, MaxBatch: 512, MaxBatchBytes: 256 << 10, MaxPrincipals: 1024, MaxCounts: 256,
	}
}

// Validate reports what is wrong and what is allowed.
func (c Config) Validate() error {
	for _, n := range []struct {
		name              string
		value, least, top int
	}{
		{"Burst", c.Burst, 1, 1 << 20}, {"Rate", c.Rate, 1, 1 << 20},
		{"MaxWaiting", c.MaxWaiting, 1, 1 << 20}, {"MaxBatch", c.MaxBatch, 1, idsPerBatch / 2},
		{"MaxBatchBytes", c.MaxBatchBytes, maxRecord, 512 << 10},
		{"MaxPrincipals", c.MaxPrincipals, 1, 1 << 20}, {"MaxCounts", c.MaxCounts, 1, idsPerBatch/2 - 1},
	} {
		if n.value < n.least || n.value > n.top {
			return fmt.Errorf("refusals: %s is %d (allowed: %d to %d)", n.name, n.value, n.least, n.top)
		}
	}
	if c.Every <= 0 || c.CountEvery < c.Every {
		return fmt.Errorf("refusals: Every is %s and CountEvery %s (allowed: above 0, and CountEvery at least Every)", c.Every, c.CountEvery)
	}
	return nil
}
