package natslog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/omnirelay/omnirelay/events"
	"github.com/omnirelay/omnirelay/store"
)

// The scrub reads all of the log's files in the background, at Config.ScrubRate,
// every Config.ScrubEvery; the first time at once if some were not read at Open. It
// verifies the checksum of each record, that the sequences have no gap, and that
// each frame names the hash of the one before.
//
// In a cluster JetStream may remove or rewrite the files of a replica while it
// catches up. So damage counts only when the file is the same afterwards and shows
// it a second time.

const (
	// scrubLooks is how often a file that changes under the scrub is read before
	// it is left for the next round.
	scrubLooks = 3
	// scrubPause is between two looks at such a file.
	scrubPause = time.Second
)

// scrubber is one round.
type scrubber struct {
	s *Store
	// head and next follow the last message that was verified, before is that; next
	// 0: none was.
	head   events.Head
	next   uint64
	before []byte
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
		if err := (&scrubber{s: s}).round(ctx); err != nil {
			return err
		}
		wait = s.cfg.ScrubEvery
	}
}

// round verifies all files once.
func (r *scrubber) round(ctx context.Context) error {
	began := time.Now()
	blocks, err := r.s.files.list()
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if err := r.block(ctx, b.Index); err != nil || ctx.Err() != nil {
			return err
		}
	}
	r.s.metrics.rounds.Inc()
	r.s.cfg.logger().Debug("the log's files are verified", "message", r.next-1, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// block verifies one file, as often as it changes under the look.
func (r *scrubber) block(ctx context.Context, index uint32) error {
	for range scrubLooks {
		again, err := r.look(index)
		if err != nil {
			r.s.metrics.damaged.Inc()
			return err
		}
		if !again {
			return r.pace(ctx, index)
		}
		if r.s.wait(ctx, time.After(scrubPause)) != nil {
			return nil // it ends
		}
	}
	r.next = 0 // the chain begins anew behind it
	return nil
}

// pace pauses for as long as the block's bytes take at the rate.
func (r *scrubber) pace(ctx context.Context, index uint32) error {
	size, _, err := r.s.files.stat(index)
	if err != nil || size == 0 {
		return nil //nolint:nilerr // it is gone by now, and was whole
	}
	r.s.metrics.scrubbed.Add(float64(size))
	took := time.Duration(float64(size) / float64(r.s.cfg.ScrubRate) * float64(time.Second))
	_ = r.s.wait(ctx, time.After(took)) // who called looks at ctx
	return nil
}

// look verifies a file as it is now. again: it changed meanwhile, and what was
// found in it says nothing.
func (r *scrubber) look(index uint32) (again bool, err error) {
	size, modified, err := r.s.files.stat(index)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	last, err := r.isLast(index)
	if err != nil {
		return false, err
	}
	end, err := r.walk(index, last)
	if err != nil {
		_, err = r.walk(index, last) // a second time
	}
	if err == nil {
		*r = end
		r.s.unread.done(index)
		return false, nil
	}
	if size2, modified2, serr := r.s.files.stat(index); serr != nil || size2 != size || modified2 != modified {
		return true, nil //nolint:nilerr // it was being written, or is gone
	}
	var damaged *CorruptError
	if !errors.As(err, &damaged) {
		return false, err
	}
	if again, lerr := r.isLast(index); lerr == nil && again != last {
		return true, nil // JetStream has begun another one after it
	}
	damaged.Opened = true
	return false, damaged
}

func (r *scrubber) isLast(index uint32) (bool, error) {
	blocks, err := r.s.files.list()
	return len(blocks) == 0 || blocks[len(blocks)-1].Index == index, err
}

// walk verifies a file that follows what was verified before. The last one may end
// within a record: that one is being written.
func (r *scrubber) walk(index uint32, last bool) (end scrubber, err error) {
	end = *r
	if end.next == 0 {
		if end.next, err = r.s.files.first(index); err != nil || end.next == 0 {
			return *r, err
		}
		end.head, end.before = events.Head{}, nil
	}
	w := &walker{files: r.s.files, next: end.next, before: end.before}
	w.each = func(m record) error {
		head, err := follow(end.head, m.payload)
		if err != nil {
			return w.damage(r.s.files.path(index), -1, err.Error())
		}
		end.head, end.next = head, m.sequence+1
		return nil
	}
	err = w.walk(index, last)
	end.before = w.before
	return end, err
}

// follow is the head after a message; the zero head is before one that nothing is
// known of.
func follow(h events.Head, data []byte) (events.Head, error) {
	if h == (events.Head{}) {
		return events.HeadOf(data)
	}
	_, next, err := h.Next(data)
	return next, err
}

// stat returns a block's size and time of change, Unix nanoseconds.
func (b blockFiles) stat(index uint32) (size, modified int64, err error) {
	info, err := os.Stat(b.path(index))
	if err != nil {
		return 0, 0, fmt.Errorf("natslog: read block: %w", err)
	}
	return info.Size(), info.ModTime().UnixNano(), nil
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
