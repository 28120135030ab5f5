package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
	"github.com/omnirelay/omnirelay/store"
)

const (
	// readAhead bounds the frames that are read and verified before they are
	// applied; a reader that is ahead waits.
	readAhead = 16
	// groupBytes and groupFrames bound what is committed together while behind.
	// At the tail each frame is committed at once.
	groupBytes  = 1 << 20
	groupFrames = 512
	// headEvery is how often a projector that is behind looks how far.
	headEvery = time.Second
)

// Run follows the log until ctx ends, which is no error, or something fails: a
// broken chain ([*events.ChainError], [store.ErrGap]), the disk, the log. What
// is published stays readable. Run once.
func (p *Projector) Run(ctx context.Context) error {
	outer := ctx
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.watchLag(ctx) })
	g.Go(func() error {
		if err := p.rebuild(ctx); err != nil {
			return err
		}
		return p.follow(ctx)
	})
	err := g.Wait()
	if outer.Err() != nil {
		return nil
	}
	return err
}

// verified is a frame that continues the log, and the mark after it.
type verified struct {
	frame *eventsv1.Frame
	mark  store.Mark
}

// errReached ends a read at its last message.
var errReached = errors.New("read to the end that was asked for")

// read verifies the messages after a mark and sends their frames; until is the
// last sequence to read, 0 is none. It closes out when it returns.
func read(ctx context.Context, log store.Log, from store.Mark, until uint64, out chan<- verified) error {
	defer close(out)
	at := from
	err := log.Follow(ctx, from.Sequence+1, func(msg store.Message) error {
		f, next, err := at.Verify(msg)
		if err != nil {
			return err
		}
		at = next
		select {
		case out <- verified{f, at}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if at.Sequence == until {
			return errReached
		}
		return nil
	})
	if errors.Is(err, errReached) {
		return nil
	}
	return err
}

// follow applies all tables from the mark on.
func (p *Projector) follow(ctx context.Context) error {
	all := applier{tables: feeds(p.cfg.Tables), core: true, counters: p.counters}
	if err := p.catchUp(ctx, all); err != nil || ctx.Err() != nil {
		return err
	}
	return p.pump(ctx, p.mark, 0, func(first verified, q *queue) error {
		return p.applyGroup(all, first, q)
	})
}

// queue is the frames that are read and verified but not applied.
type queue struct{ in <-chan verified }

// ready is the next frame if there is one.
func (q *queue) ready() (verified, bool) {
	select {
	case f, ok := <-q.in:
		return f, ok
	default:
		return verified{}, false
	}
}

// wait is the next frame, when it comes; false at the end.
func (q *queue) wait() (verified, bool) {
	f, ok := <-q.in // closed by read, which ends with ctx
	return f, ok
}

// grouper handles a frame and, as far as it likes, those behind it.
type grouper func(first verified, q *queue) error

// pump reads frames in one goroutine and hands them to group in another.
func (p *Projector) pump(ctx context.Context, from store.Mark, until uint64, group grouper) error {
	in := make(chan verified, readAhead)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return read(ctx, p.log, from, until, in) })
	g.Go(func() error {
		q := &queue{in}
		for {
			first, ok := q.wait()
			if !ok {
				return nil
			}
			if err := group(first, q); err != nil {
				return err
			}
		}
	})
	return g.Wait()
}

// applyGroup applies a frame and those that wait behind it, commits, publishes
// and tells the listeners.
func (p *Projector) applyGroup(a applier, first verified, q *queue) error {
	start := time.Now()
	listeners, wanted := p.hearers()
	g, err := p.newGroup(a, wanted, p.cfg.BatchBytes)
	if err != nil {
		return err
	}
	defer g.close()
	f, frames := first, 0
	for more := true; more; {
		if err := g.apply(f); err != nil {
			return fmt.Errorf("projections: apply message %d: %w", f.mark.Sequence, err)
		}
		if frames++; frames == groupFrames || g.rows.batch.Size() > groupBytes || g.redone {
			break
		}
		f, more = q.ready()
	}
	if err := g.commit(); err != nil {
		return fmt.Errorf("projections: commit position %d: %w", g.mark.Position, err)
	}
	return p.show(g, listeners, start)
}

// show publishes what a group has committed.
func (p *Projector) show(g *group, listeners []Listener, start time.Time) error {
	if err := p.publish(); err != nil {
		return fmt.Errorf("projections: publish position %d: %w", g.mark.Position, err)
	}
	for _, l := range listeners {
		l.Committed(&g.heard)
	}
	p.metrics.apply.Observe(time.Since(start).Seconds())
	return nil
}

// watchLag keeps the lag metric until ctx ends: the log's last frame says at
// which position the log is.
func (p *Projector) watchLag(ctx context.Context) error {
	tick := time.NewTicker(headEvery)
	defer tick.Stop()
	for {
		if head, err := p.logHead(ctx); err == nil {
			p.metrics.lag.Set(max(0, float64(head)-float64(p.Position())))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// logHead is the position of the last event on the log.
func (p *Projector) logHead(ctx context.Context) (events.Position, error) {
	last, err := p.log.Last(ctx)
	if err != nil || last == 0 {
		return 0, err
	}
	msg, err := p.log.Load(ctx, last)
	if err != nil {
		return 0, err
	}
	head, err := headOf(msg)
	return head.Position, err
}
