package sequencer

import (
	"github.com/omnirelay/omnirelay/commands/model"
	"github.com/omnirelay/omnirelay/events"
)

// flight is the frame that is under way, and everything that rests on it.
type flight struct {
	expect  uint64
	data    []byte
	head    events.Head
	overlay *model.Model
	pending []*Pending
	// grant: the frame holds this candidate's grant.
	grant bool

	busy      bool // an operation is under way
	load      bool // the next one is a load, not a publish
	notBefore int64
}

// ready asks for the next operation on the log: publish; after anything but an
// ack, load; after not found, the same bytes again.
func (f *flight) ready(now Now, r *Ready) {
	switch {
	case f.busy:
	case f.load:
		f.busy, r.Load = true, f.expect+1
	case now.Boot < f.notBefore:
		r.wakeAt(f.notBefore)
	default:
		f.busy, r.Publish = true, &Publish{Expect: f.expect, Data: f.data}
	}
}

func (r *Ready) wakeAt(boot int64) {
	if r.Wake == 0 || boot < r.Wake {
		r.Wake = boot
	}
}
