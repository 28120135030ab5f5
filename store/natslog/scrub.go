package natslog

import (
	"context"
	"errors"
	"time"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// The scrub reads all of the log's files in the background, at Config.ScrubRate,
// every Config.ScrubEvery; the first time at once if some were not read at Open. What
// it verifies says [jsfile.Scrub].

const (
	// scrubLooks is how often a file that changes under the scrub is read before
	// it is left for the next round.
	scrubLooks = 3
	// scrubPause is between two looks at such a file.
	scrubPause = time.Second
)

// scrubber is one round.
type scrubber struct {
	s     *Store
	files jsfile.Scrub
}

// scrub runs rounds until ctx ends or damage is found.
func (s *Store) scrub(ctx context.Context) error {
	if s.cfg.ScrubEvery == 0 {
		<-ctx.Done()
		return nil
	}
	wait := s.cfg.ScrubEvery
	if s.unscrubbed {
		wait = 0
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if err := (&scrubber{s: s, files: jsfile.Scrub{Blocks: s.files}}).round(ctx); err != nil {
			return err
		}
		wait = s.cfg.ScrubEvery
	}
}

// round verifies all files once.
func (r *scrubber) round(ctx context.Context) error {
	began := time.Now()
	blocks, err := r.s.files.List()
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if err := r.block(ctx, b.Index); err != nil || ctx.Err() != nil {
			return err
		}
	}
	r.s.metrics.rounds.Inc()
	r.s.cfg.logger().Debug("the log's files are verified", "message", r.files.Last(), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// block verifies one file, as often as it changes under the look.
func (r *scrubber) block(ctx context.Context, index uint32) error {
	for range scrubLooks {
		changing, err := r.files.Look(index)
		if err != nil {
			r.s.metrics.damaged.Inc()
			return err
		}
		if !changing {
			return r.pace(ctx, index)
		}
		if r.s.pause(ctx, scrubPause) != nil {
			return nil // it ends
		}
	}
	r.files.Skip()
	return nil
}

// pace counts a block that is whole, and pauses for as long as the block's bytes take at the rate.
func (r *scrubber) pace(ctx context.Context, index uint32) error {
	b, err := r.s.files.Stat(index)
	if err != nil {
		return nil //nolint:nilerr // it is gone by now, and was whole
	}
	r.s.unread.Done(index)
	r.s.metrics.scrubbed.Add(float64(b.Size))
	took := time.Duration(float64(b.Size) / float64(r.s.cfg.ScrubRate) * float64(time.Second))
	_ = r.s.pause(ctx, took) // who called looks at ctx
	return nil
}

// Guard looks after what is stored until ctx ends: it scrubs the files, compares
// this server's copy with what it follows, and sees when the log loses its end, or this
// directory its place. Its error is a [*CorruptError] or [ErrNotMember], after which the
// server must not go on (V3).
func (s *Store) Guard(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watches := []func(context.Context) error{s.scrub}
	if s.cfg.clustered() {
		watches = append(watches, s.watchReplica, s.watchTail, s.watchPlace)
	}
	ended := make(chan error, len(watches))
	for _, watch := range watches {
		go func() { ended <- watch(ctx) }()
	}
	var errs []error
	for range watches {
		err := <-ended
		if err != nil && !errors.Is(err, store.ErrClosed) {
			errs = append(errs, err)
		}
		cancel() // one that ends before ctx does ends them all
	}
	return errors.Join(errs...)
}
