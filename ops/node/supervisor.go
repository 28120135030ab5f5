package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// StopWithin bounds a graceful stop as a whole; each part has its own bound too.
const StopWithin = 5 * time.Second

// State of a part.
type State string

// The states of a part.
const (
	Starting State = "starting"
	Running  State = "ready"
	Stopping State = "stopping"
	Stopped  State = "stopped"
	Failed   State = "failed"
)

// Status is what a part says of itself.
type Status struct {
	Component string
	State     State
}

// part is something that was opened or runs.
type part struct {
	name   string
	within time.Duration
	stop   func()        // asks it to end
	ended  chan struct{} // closed when it has
	err    error         // valid after ended

	state State // guarded by the supervisor's mu
}

// supervisor starts parts in order and stops them in reverse.
type supervisor struct {
	log    *slog.Logger
	failed chan error // of size 1: the first failure

	mu    sync.Mutex
	parts []*part // guarded by mu
}

func newSupervisor(log *slog.Logger) *supervisor {
	return &supervisor{log: log, failed: make(chan error, 1)}
}

// runs starts a part whose run should last until its context ends. If it ends
// before, with or without an error, the server stops.
func (s *supervisor) runs(name string, within time.Duration, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, within: within, stop: cancel, ended: make(chan struct{}), state: Running}
	s.add(p)
	go func() {
		err := run(ctx)
		early := ctx.Err() == nil
		cancel()
		if early && err == nil {
			err = errors.New("ended by itself")
		}
		if !early && errors.Is(err, context.Canceled) {
			err = nil // what it was asked for
		}
		p.err = err
		close(p.ended)
		if early {
			s.fail(p, err)
		}
	}()
}

// holds keeps something open until it is closed in its turn.
func (s *supervisor) holds(name string, within time.Duration, closing func() error) {
	p := &part{name: name, within: within, ended: make(chan struct{}), state: Running}
	p.stop = func() {
		go func() {
			p.err = closing()
			close(p.ended)
		}()
	}
	s.add(p)
}

func (s *supervisor) add(p *part) {
	s.mu.Lock()
	s.parts = append(s.parts, p)
	s.mu.Unlock()
	s.log.Info("component ready", "component", p.name)
}

func (s *supervisor) fail(p *part, err error) {
	s.set(p, Failed)
	select {
	case s.failed <- fmt.Errorf("%s: %w", p.name, err):
	default: // not the first
	}
}

func (s *supervisor) set(p *part, state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.state != Failed {
		p.state = state
	}
}

// status lists the parts in the order in which they were started.
func (s *supervisor) status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Status, len(s.parts))
	for i, p := range s.parts {
		all[i] = Status{p.name, p.state}
	}
	return all
}

// stop ends all parts, the last started first. A part that does not end in time
// is left behind and named in the error; those before it are stopped all the
// same.
func (s *supervisor) stop() error {
	s.mu.Lock()
	parts := slices.Clone(s.parts)
	s.mu.Unlock()
	var errs []error
	over := time.Now().Add(StopWithin)
	for _, p := range slices.Backward(parts) {
		s.set(p, Stopping)
		p.stop()
		within := min(p.within, time.Until(over))
		timer := time.NewTimer(within)
		select {
		case <-p.ended:
			if p.err != nil && !s.wasFailure(p) {
				errs = append(errs, fmt.Errorf("stop %s: %w", p.name, p.err))
			}
			s.log.Info("component stopped", "component", p.name)
		case <-timer.C:
			errs = append(errs, fmt.Errorf("stop %s: not ended within %s", p.name, within))
		}
		timer.Stop()
		s.set(p, Stopped)
	}
	return errors.Join(errs...)
}

// wasFailure tells whether a part's error is the one that was reported already.
func (s *supervisor) wasFailure(p *part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.state == Failed
}
