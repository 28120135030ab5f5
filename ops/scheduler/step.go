package scheduler

import (
	"time"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/commands/schedule"
	"github.com/omnirelay/omnirelay/commands/sequencer"
)

// longest is the longest pause between two steps: the wall clock may be set
// forward while the loop sleeps by another.
const longest = time.Minute

// maxFired bounds the firings of one step, which share frames.
const maxFired = 64

// Scheduler is the controller.
type Scheduler struct{}

// New returns the controller.
func New() Scheduler { return Scheduler{} }

// Name implements the loop's controller.
func (Scheduler) Name() string { return "scheduler" }

// Step implements the loop's controller.
func (Scheduler) Step(v sequencer.View, now sequencer.Now) ([]commands.Command, time.Duration) {
	logTime := max(now.Wall, v.Model.Time) / int64(time.Millisecond) // what a decision would have
	var cmds []commands.Command
	wait := longest
	v.Model.Schedule.Each(func(s *schedule.Schedule) bool {
		switch {
		case s.Paused || s.Finished():
		case s.Next > logTime:
			wait = min(wait, time.Duration(s.Next-logTime)*time.Millisecond)
		case len(cmds) < maxFired:
			cmds = append(cmds, schedule.Fire{Name: s.Name, Due: s.Due, Attempt: s.Attempt})
		}
		return true
	})
	return cmds, wait
}
