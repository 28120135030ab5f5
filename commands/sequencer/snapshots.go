package sequencer

import (
	"context"
	"time"

	"github.com/omnirelay/omnirelay/events"
)

// A snapshot is saved when this many events came since the last one, looked at
// every interval, and at the end.
const (
	snapshotEvents = 50_000
	snapshotEvery  = 5 * time.Second
)

// startSnapshots saves the published views until ctx ends. The channel is
// closed when it has.
func (s *Sequencer) startSnapshots(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	if s.opts.SnapshotDir == "" {
		close(ended)
		return ended
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(snapshotEvery)
		defer tick.Stop()
		saved := s.View().Mark.Position
		for {
			select {
			case <-tick.C:
				saved = s.snapshot(saved, snapshotEvents)
			case <-ctx.Done():
				s.snapshot(saved, 1)
				return
			}
		}
	}()
	return ended
}

// snapshot saves the view if it is at least this many events past the last.
func (s *Sequencer) snapshot(saved events.Position, atLeast events.Position) events.Position {
	v := s.View()
	if v.Mark.Position < saved+atLeast {
		return saved
	}
	began := time.Now()
	if err := SaveSnapshot(s.opts.SnapshotDir, v); err != nil {
		s.opts.Logger.Error("snapshot failed, the log will be replayed from the one before", "position", v.Mark.Position, "error", err)
		return saved
	}
	s.opts.Logger.Debug("snapshot saved", "position", v.Mark.Position, "took", time.Since(began))
	return v.Mark.Position
}
