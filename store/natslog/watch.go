package natslog

import (
	"context"
	"time"
)

// watchInterval is how long a stored message can stay unseen by the followers at
// the end when nobody in this process knows that it was stored.
const watchInterval = time.Second

// watchEnd asks how far the log reaches when a publish ended without an ack, and
// now and then: the only messages that do not come through the tail are those
// whose ack, or whose notice from another server, was lost.
func (s *Store) watchEnd() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-s.unsure:
		case <-ticker.C:
		}
		if !s.tail.followed() {
			continue
		}
		if _, err := s.Last(ctx); err != nil {
			s.cfg.logger().Debug("the end of the log is not known; asking again", "error", err)
		}
	}
}

// lookAtEnd wakes watchEnd.
func (s *Store) lookAtEnd() {
	select {
	case s.unsure <- struct{}{}:
	default:
	}
}
