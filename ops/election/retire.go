package election

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoSuccessor: no other server is ready to lead.
var ErrNoSuccessor = errors.New("no other server is ready to lead")

// errStops: the successor said that it stops.
var errStops = errors.New("it stops too")

// Retire hands leadership over to the server that has come furthest, and returns
// when it leads, or when this one does not lead any more. A server that does not
// lead returns at once. A successor that stops meanwhile is followed by the next:
// servers that are all stopped together wait for none.
func (e *Election) Retire(ctx context.Context) error {
	for e.cfg.Candidate.Status().Leading {
		successor, ok := e.successor()
		if !ok {
			return ErrNoSuccessor
		}
		if err := e.handOver(ctx, successor); !errors.Is(err, errStops) {
			return err
		}
	}
	return nil
}

func (e *Election) handOver(ctx context.Context, successor string) error {
	e.cfg.Logger.Info("handing leadership over", "to", successor)
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		e.watchStop(ctx, successor, cancel)
	}()
	defer func() {
		cancel(nil)
		<-watched
	}()
	moved := e.cfg.Streams.MoveLeaders(ctx, successor)
	e.retire.Store(&successor)
	e.wakeUp()
	tick := time.NewTicker(StepEvery / 4)
	defer tick.Stop()
	for e.cfg.Candidate.Status().Leading {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s has not taken over: %w", successor, context.Cause(ctx)), moved)
		}
	}
	return moved
}

// watchStop cancels when a server says that it stops; it returns when ctx ends.
func (e *Election) watchStop(ctx context.Context, server string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(StepEvery)
	defer tick.Stop()
	for {
		if _, stops, ok := e.Last(server); ok && stops {
			cancel(errStops)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
