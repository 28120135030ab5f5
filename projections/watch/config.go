package watch

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds one hub.
type Config struct {
	// MaxWatchers at a time, 1 to 1,000,000.
	MaxWatchers int
	// QueueDecisions and QueueRows wait for one watcher at most before it reads
	// stored changes instead; 1 to 1,000,000. Rows are shared between watchers.
	QueueDecisions int
	QueueRows      int
	// BookmarkEvery is the least time between bookmarks of a quiet watch, > 0.
	BookmarkEvery time.Duration
	// Metrics counts watchers; nil keeps none.
	Metrics *Metrics
}

// DefaultConfig is for a server. Reading stored changes costs a watcher several
// times what a live one does, so that one that must begin to falls behind further
// while the load lasts: the queue has room for 8 s of 500 decisions a second, at 8
// bytes for a decision that waits.
func DefaultConfig() Config {
	return Config{MaxWatchers: 10_000, QueueDecisions: 4096, QueueRows: 4096, BookmarkEvery: time.Second}
}

// Validate reports the first field out of its range.
func (c Config) Validate() error {
	for _, f := range []struct {
		name  string
		value int
	}{{"MaxWatchers", c.MaxWatchers}, {"QueueDecisions", c.QueueDecisions}, {"QueueRows", c.QueueRows}} {
		if f.value < 1 || f.value > 1_000_000 {
			return fmt.Errorf("watch: config: %s is %d; allowed are 1 to 1000000", f.name, f.value)
		}
	}
	if c.BookmarkEvery <= 0 {
		return fmt.Errorf("watch: config: BookmarkEvery is %s; it must be above 0", c.BookmarkEvery)
	}
	return nil
}

// ErrTooMany: the hub has its number of watchers (429).
var ErrTooMany = errors.New("too many watchers")
