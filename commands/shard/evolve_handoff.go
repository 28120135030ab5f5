package shard

import (
	"time"

	"github.com/omnirelay/omnirelay/events"
	eventsv1 "github.com/omnirelay/omnirelay/events/v1"
)

// moveReleasing: from here on the owner is asked to release.
func (s *State) moveReleasing(e *eventsv1.ShardMoveReleasing) {
	for _, m := range e.Moves {
		s.each(e.Namespace, m.Shards, func(sh *Shard) {
			sh.MoveStage = eventsv1.MoveStage_MOVE_STAGE_UNSPECIFIED
			sh.MoveDeadline = e.DeadlineMs * int64(time.Millisecond)
		})
	}
}

// handedOver is a release and an assignment in one fact.
func (s *State) handedOver(r events.Recorded, e *eventsv1.ShardsHandedOver) {
	for _, h := range e.Handovers {
		s.each(e.Namespace, h.Shards, func(sh *Shard) {
			sh.let(r.Time, s.quarantine)
			sh.unown()
			sh.bind(h.To, events.Position(h.ToSession), r)
		})
	}
}
