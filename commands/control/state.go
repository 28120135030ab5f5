package control

import (
	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// State is a value: copying it clones it.
type State struct {
	Cluster string `cbor:"1,keyasint"`
	Era     uint64 `cbor:"2,keyasint"`
	// StartedAt is the position of the present era's first event.
	StartedAt events.Position `cbor:"3,keyasint"`
}

// Evolve applies a recorded event; those of other contexts change nothing.
func (s *State) Evolve(r events.Recorded) {
	if e, ok := r.Event.Kind.(*eventsv1.Event_EraStarted); ok {
		*s = State{Cluster: e.EraStarted.ClusterId, Era: e.EraStarted.Era, StartedAt: r.Position}
	}
}
