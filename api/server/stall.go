package server

import (
	"net/http"
	"sync"
	"time"
)

// stall ends the writes of a stream whose reader takes nothing for a while: its
// handler, its place among the watchers and what waits for it would be held for
// as long as the connection lives. A deadline is set only when the time is over,
// and in the past: setting one ahead of each write would cost HTTP/2 two messages
// to the connection's loop, and would end a stream that merely has nothing to
// say. A writer that knows no deadlines is bounded by its connection alone.
type stall struct {
	wait  time.Duration
	timer *time.Timer

	mu   sync.Mutex
	over bool // guarded by mu: the response is not ours any more
}

func newStall(w http.ResponseWriter, wait time.Duration) *stall {
	s := &stall{wait: wait}
	control := http.NewResponseController(w)
	s.timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.over {
			_ = control.SetWriteDeadline(time.Unix(1, 0))
		}
	})
	s.timer.Stop()
	return s
}

// begin and end stand around what may wait for the reader.
func (s *stall) begin() { s.timer.Reset(s.wait) }
func (s *stall) end()   { s.timer.Stop() }

// leave gives the connection back: nothing touches it after.
func (s *stall) leave() {
	s.timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}
