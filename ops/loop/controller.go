package loop

import (
	"context"
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/sequencer"
	"github.com/omnirelay/omnirelay/events"
)

// Controller is a process manager: a view in, commands out. Step is called by
// one goroutine, must not block, and decides from its arguments and from what
// the controller was told; the same view twice gives the same commands.
type Controller interface {
	// Name is one lower-case word, the same in every run.
	Name() string
	// Step returns what should be submitted now, and after how long to ask again
	// if nothing is stored meanwhile; 0 means that nothing depends on time.
	Step(v sequencer.View, now sequencer.Now) (cmds []commands.Command, next time.Duration)
}

// WokenBy returns the controller, which is also woken by values on a channel: it
// depends on something beside the log, such as what nodes report.
func WokenBy(c Controller, wakes <-chan struct{}) Controller { return woken{c, wakes} }

type woken struct {
	Controller
	wakes <-chan struct{}
}

// Answerer is a controller that must know how its commands ended. Answered is
// called once per command, before the next step; a nil error means done.
type Answerer interface {
	Answered(cmd commands.Command, err error)
}

// Answered implements Answerer for the controller that is woken.
func (w woken) Answered(cmd commands.Command, err error) {
	if a, ok := w.Controller.(Answerer); ok {
		a.Answered(cmd, err)
	}
}

// Reasoned is a command that says why its controller wants it.
type Reasoned interface {
	Reason() string
}

// Sequencer is what the loop asks of one.
type Sequencer interface {
	commands.Submitter
	View() sequencer.View
	HasAuthority() bool
}

// The bounds of a Runner.
const (
	// BackoffMin and BackoffMax bound the pause after a rejection or failure.
	BackoffMin = 50 * time.Millisecond
	BackoffMax = 5 * time.Second
	// StepEvery is the least time between two steps of a controller: a busy log
	// stores thousands of frames in a second, and a step may look at every node.
	StepEvery = 2 * time.Millisecond
	// AuthorityPoll is how often a server without authority looks whether it has
	// it: gaining it again stores no frame that would wake anybody.
	AuthorityPoll = 100 * time.Millisecond
	// MaxInFlight bounds the commands of one step that are submitted at once.
	MaxInFlight = 1024
)

// Clock tells both times; see sequencer.Clock.
type Clock func() sequencer.Now

// submit submits commands of one step, that was taken in a control term, together.
func (r *Runner) submit(ctx context.Context, c Controller, term events.Position, cmds []commands.Command, answer func(int, commands.Receipt, error)) {
	requests := make([]commands.Request, len(cmds))
	for i, cmd := range cmds {
		reason := "controller/" + c.Name()
		if said, ok := cmd.(Reasoned); ok && said.Reason() != "" {
			reason += ": " + said.Reason()
		}
		requests[i] = commands.Request{Command: cmd, Actor: "node/" + r.server, Reason: reason, Term: term}
	}
	r.seq.SubmitAll(ctx, requests, answer)
}
