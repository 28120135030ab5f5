package loop

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
)

// controllerLoop is the goroutine of one controller; it owns all fields but
// wake.
type controllerLoop struct {
	runner     *Runner
	controller Controller
	wake       chan struct{} // of size 1: a wake-up during a step is kept

	passed  events.Position // the view must show this before the next step
	backoff time.Duration
}

func newControllerLoop(r *Runner, c Controller) *controllerLoop {
	return &controllerLoop{runner: r, controller: c, wake: make(chan struct{}, 1)}
}

func (l *controllerLoop) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *controllerLoop) run(ctx context.Context) {
	var told <-chan struct{} // nil blocks for ever
	if w, ok := l.controller.(woken); ok {
		told = w.wakes
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-l.wake:
		case <-told:
		}
		next := l.turn(ctx)
		if l.backoff > 0 {
			if !pause(ctx, l.backoff) {
				return
			}
			l.wakeUp() // through all wake-ups; this one is its own
		} else if !pause(ctx, StepEvery) {
			return
		}
		if next > 0 {
			timer.Reset(max(0, next-StepEvery)) // the pause is a part of it
		} else {
			timer.Stop()
		}
	}
}

// pause waits, whatever wakes the controller meanwhile. It returns false when
// ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// turn steps the controller if it may, and returns after how long to look
// again; 0 waits for a wake-up.
func (l *controllerLoop) turn(ctx context.Context) time.Duration {
	r := l.runner
	view := r.seq.View()
	if !r.seq.HasAuthority() {
		l.backoff = 0
		return AuthorityPoll
	}
	if view.Model == nil || view.Mark.Position < l.passed {
		return 0 // the view that passes it wakes us
	}
	if view.Model.Control.Sealed != 0 {
		l.backoff = 0
		return 0 // every command would be refused; the view that resumes wakes us
	}
	name := l.controller.Name()
	cmds, next := l.controller.Step(view, r.clock())
	r.metrics.steps.WithLabelValues(name).Inc()
	if len(cmds) == 0 {
		l.backoff = 0
		return next
	}
	r.metrics.commands.WithLabelValues(name).Add(float64(len(cmds)))
	control, _ := view.Model.Leadership.Scope(events.GlobalScope)
	if l.submitAll(ctx, control.Term, cmds) {
		l.backoff = 0 // what they stored has woken us, or will
	} else {
		l.backoff = min(max(2*l.backoff, BackoffMin), BackoffMax)
	}
	return next
}

// submitAll submits the commands of a step that was taken in a control term, waits
// for all answers, and remembers the last receipt. It returns whether all were done.
func (l *controllerLoop) submitAll(ctx context.Context, term events.Position, cmds []commands.Command) bool {
	done := true
	for part := range slices.Chunk(cmds, MaxInFlight) {
		l.runner.submit(ctx, l.controller, term, part, func(i int, receipt commands.Receipt, err error) {
			if a, ok := l.controller.(Answerer); ok {
				a.Answered(part[i], err)
			}
			l.passed = max(l.passed, receipt.Position)
			if err != nil {
				done = false
				l.refused(ctx, part[i], err)
			}
		})
	}
	return done
}

// refused tells of a command that was not done. A rejection is expected now and
// then: the view was older than the decision.
func (l *controllerLoop) refused(ctx context.Context, cmd commands.Command, err error) {
	if ctx.Err() != nil {
		return
	}
	name := l.controller.Name()
	l.runner.metrics.rejections.WithLabelValues(name).Inc()
	log := l.runner.log.With("component", "controller", "controller", name)
	var rejected *commands.Rejected
	if errors.As(err, &rejected) {
		log.Info("command rejected", "command", cmd.CommandName(), "reason", rejected.Reason, "detail", rejected.Message)
		return
	}
	log.Warn("command not done", "command", cmd.CommandName(), "error", err)
}
