package main

import (
	"log/slog"
	"sync"
	"time"
)

// tally says how many shards an agent owns, in one line for many that come and
// go together.
type tally struct {
	log *slog.Logger

	mu           sync.Mutex
	owned        int // guarded by mu, as are the two below
	gained, lost int
}

// tallyEvery is the least time between two lines.
const tallyEvery = 250 * time.Millisecond

func newTally(log *slog.Logger) *tally { return &tally{log: log} }

func (t *tally) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owned += n
	t.gained += max(n, 0)
	t.lost += max(-n, 0)
}

// start tells of changes until the returned function is called, which tells of
// the last and returns when it has.
func (t *tally) start() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(tallyEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				t.tell()
			case <-done:
				t.tell()
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

func (t *tally) tell() {
	t.mu.Lock()
	owned, gained, lost := t.owned, t.gained, t.lost
	t.gained, t.lost = 0, 0
	t.mu.Unlock()
	if gained+lost > 0 {
		t.log.Info("owned shards changed", "owned", owned, "gained", gained, "lost", lost)
	}
}
