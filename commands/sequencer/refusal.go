package sequencer

import (
	"errors"

	"github.com/omnirelay/omnirelay/commands"
	"github.com/omnirelay/omnirelay/events"
)

// Refusal is a command that a decider refused, with the state that it was
// refused on (A6). What it points to is shared: read only.
type Refusal struct {
	Request  *commands.Request
	Rejected *commands.Rejected
	// Position of the state, and Unix nanoseconds of the frame that the command
	// would have been in.
	Position events.Position
	Time     int64
}

// refused tells whoever records refusals of the rejections among the answers
// that are about to be given. An answer that was never given, of a candidacy
// that ended, is none.
func (o Options) refused(answers []Answer) {
	if o.OnRefused == nil {
		return
	}
	for _, a := range answers {
		var rejected *commands.Rejected
		if a.Pending.owner == nil || !errors.As(a.Err, &rejected) {
			continue
		}
		o.OnRefused(Refusal{
			Request: &a.Pending.Request, Rejected: rejected, Position: a.Receipt.Position, Time: a.Receipt.Time,
		})
	}
}
