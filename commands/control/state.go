package control

import (
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// State is a value: copying it clones it.
type State struct {
	Cluster string `cbor:"1,keyasint"`
	Era     uint64 `cbor:"2,keyasint"`
	// StartedAt is the position of the present era's first event. Sessions that
	// are older belong to the time before a restore.
	StartedAt events.Position `cbor:"3,keyasint"`
	// Settling: the era began with a restore, and leases of before may live.
	// Settle is how long, as the restore knew; 0 where it did not.
	Settling bool          `cbor:"4,keyasint,omitempty"`
	Settle   time.Duration `cbor:"5,keyasint,omitempty"`
	// Sealed is the position of the seal, 0 without one; Resumed that of the last
	// event that took one away.
	Sealed  events.Position `cbor:"6,keyasint,omitempty"`
	Resumed events.Position `cbor:"7,keyasint,omitempty"`
	// HealedTo is the last position that the log had lost and was given back.
	HealedTo events.Position `cbor:"8,keyasint,omitempty"`
}

// Evolve applies a recorded event; those of other contexts change nothing.
func (s *State) Evolve(r events.Recorded) {
	switch e := r.Event.Kind.(type) {
	case *eventsv1.Event_EraStarted:
		// A seal ends with its era: who restores a sealed log means to go on.
		*s = State{
			Cluster: e.EraStarted.ClusterId, Era: e.EraStarted.Era, StartedAt: r.Position,
			Settling: e.EraStarted.RestoredPosition > 0, Settle: time.Duration(e.EraStarted.SettleMs) * time.Millisecond,
			HealedTo: s.HealedTo,
		}
	case *eventsv1.Event_EraSettled:
		s.Settling, s.Settle = false, 0
	case *eventsv1.Event_LogSealed:
		s.Sealed = r.Position
	case *eventsv1.Event_LogResumed:
		s.Sealed, s.Resumed = 0, r.Position
	case *eventsv1.Event_LogTailHealed:
		s.HealedTo = max(s.HealedTo, events.Position(e.LogTailHealed.Last))
	case *eventsv1.Event_ReplicaReplaced:
		// Told for the record: which directories hold copies is the store's.
	}
}
