package harness

import (
	"sync/atomic"
	"time"

	"github.com/omnirelay/omnirelay/commands/sequencer"
)

// Skew is how far the wall clock of a sequencer in this process is off. It may
// change at any moment, forwards and backwards. The zero Skew is none.
type Skew struct{ by atomic.Int64 }

// Set puts the clock ahead by d; a negative d puts it behind.
func (s *Skew) Set(d time.Duration) { s.by.Store(int64(d)) }

// Clock is the system's, with the wall clock off. The boot clock, which leases
// count by, is as it is: only its rate is ever relied upon.
func (s *Skew) Clock() sequencer.Clock {
	return func() sequencer.Now {
		now := sequencer.SystemClock()
		now.Wall += s.by.Load()
		return now
	}
}
